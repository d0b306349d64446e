"""What the routes of ads share, made once per process."""

from __future__ import annotations

from fastapi import Request

from adapters.inbound.http.ads.admission import Admission
from adapters.inbound.http.ads.breaks import AdBreaks
from adapters.inbound.http.ads.configured import Configured
from adapters.inbound.http.ads.deciding import Deciding
from adapters.inbound.http.ads.lookup import ReadyCreatives
from adapters.inbound.http.ads.ports import AdsContainer
from adapters.inbound.http.identity import DeviceIdentity


class AdParts:
    def __init__(self, container: AdsContainer) -> None:
        self.container = container
        self.admission = Admission(container)
        self.configured = Configured(container.media)
        self.ready = ReadyCreatives(container.creatives)
        self.deciding = Deciding(container, self.configured, self.ready)
        self.breaks = AdBreaks(container, self.deciding)
        proxies = container.settings.trusted_proxies
        self.identity = DeviceIdentity(part.strip() for part in proxies.split(",") if part.strip())

    async def close(self) -> None:
        """Waits for what is still to be told or stored."""
        await self.breaks.close()
        await self.deciding.close()
        await self.ready.close()
        await self.configured.close()


async def ad_parts_of(request: Request) -> AdParts:
    parts: AdParts = request.app.state.ads
    return parts
