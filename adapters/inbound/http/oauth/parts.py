"""What the routes of OAuth share, made once per process."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from commands.accounts.oauth import metadata
from commands.accounts.oauth.parts import OAuth
from commands.kernel.ports import Tracer


class OAuthParts:
    """``documents``: what never changes while a process runs, by path."""

    def __init__(self, oauth: OAuth, tracer: Tracer) -> None:
        self.oauth = oauth
        self.tracer = tracer
        openid: dict[str, Any] = metadata.openid(oauth.issuer)
        self.documents: Mapping[str, bytes] = {
            "/.well-known/oauth-authorization-server": orjson.dumps(openid),
            "/.well-known/openid-configuration": orjson.dumps(openid),
        }
