"""Everything that goes out to hosts nobody here trusts: brokers, hosts of creatives, trackers.

``pixels`` is imported by its own name: it needs what only workers have loaded anyway.
"""

from adapters.outbound.web.breaker import Breaker
from adapters.outbound.web.client import Web
from adapters.outbound.web.documents import Document, Documents
from adapters.outbound.web.downloads import Downloads
from adapters.outbound.web.guard import Guard
from adapters.outbound.web.incoming import Download

__all__ = [
    "Breaker",
    "Document",
    "Documents",
    "Download",
    "Downloads",
    "Guard",
    "Web",
]
