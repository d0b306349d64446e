"""Counters that all processes share, such as those of rate limits."""

from __future__ import annotations

from adapters.outbound.redis.link import Link, Script

ADD = Script("""
-- KEYS: the counter; ARGV: amount, seconds to keep
local value = redis.call('INCRBY', KEYS[1], ARGV[1])
redis.call('EXPIRE', KEYS[1], ARGV[2])
return value
""")


class RedisCounters:
    def __init__(self, link: Link) -> None:
        self._link = link

    async def add(self, key: str, amount: int, *, keep_seconds: int) -> int:
        """The value after adding, in one round trip. Raises ``HintsUnavailable``."""
        value = await self._link.run(ADD, [f"homecast:rate:{key}"], [amount, keep_seconds])
        return int(value)
