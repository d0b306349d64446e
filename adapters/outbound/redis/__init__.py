"""Hints, presence and routing over Redis: early and lossy; nothing that matters depends on them."""

from adapters.outbound.redis.broker_health import RedisBrokerHealth
from adapters.outbound.redis.feed import RedisFeed
from adapters.outbound.redis.hints import RedisHints, UnawaitedHints
from adapters.outbound.redis.link import Link, connect
from adapters.outbound.redis.presence import RedisPresence, RedisWatchers
from adapters.outbound.redis.sessions import RedisSessions

__all__ = [
    "Link",
    "RedisBrokerHealth",
    "RedisFeed",
    "RedisHints",
    "RedisPresence",
    "RedisSessions",
    "RedisWatchers",
    "UnawaitedHints",
    "connect",
]
