"""What all pages share, made once per process."""

from __future__ import annotations

from datetime import datetime
from urllib.parse import urlsplit

from fastapi import Request, Response

from adapters.inbound.http.accounts.cookies import Cookies
from adapters.inbound.http.accounts.forms import FormTokens
from adapters.inbound.http.accounts.rendering import Renderer, security_headers
from commands.accounts.sign_in_sessions import SignedIn, current_session
