"""IAB macros in addresses (VAST 4.x, section 6).

Written ``[NAME]``, ``%5BNAME%5D`` or ``%%NAME%%``. A value is percent-encoded. A macro of the
standard without a value becomes ``-1`` ("not known"), or ``-2`` where it is known and withheld; a
name that is not of the standard stays, as it is some broker's own.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from urllib.parse import quote

_NAMES = """
    ADCATEGORIES ADCOUNT ADPLAYHEAD ADSERVINGID ADTYPE APIFRAMEWORKS APPBUNDLE ASSETURI
    BLOCKEDADCATEGORIES BREAKMAXADLENGTH BREAKMAXADS BREAKMAXDURATION BREAKMINADLENGTH BREAKPOSITION
    CACHEBUSTING CLICKPOS CLICKTYPE CLIENTUA CONTENTCAT CONTENTID CONTENTPLAYHEAD CONTENTURI
    DEVICEIP DEVICEUA DOMAIN DSAPARAMS DSAPUBRENDER DSAREQUIRED ERRORCODE EXTENSIONS GDPRCONSENT
    GPPSECTIONID GPPSTRING IFA IFATYPE INVENTORYSTATE LATLONG LIMITADTRACKING MEDIAMIME
    MEDIAPLAYHEAD OMIDPARTNER PAGEURL PLACEMENTTYPE PLAYBACKMETHODS PLAYERCAPABILITIES PLAYERSIZE
    PLAYERSTATE PODSEQUENCE REASON REGULATIONS SERVERSIDE SERVERUA STOREID STOREURL TIMESTAMP
    TRANSACTIONID UNIVERSALADID VASTVERSIONS VERIFICATIONVENDORS
"""
KNOWN = frozenset(_NAMES.split())
UNKNOWN_VALUE, WITHHELD_VALUE = "-1", "-2"

_MACRO = re.compile(
    r"\[([A-Z][A-Z0-9_]{1,40})\]|%5[Bb]([A-Z][A-Z0-9_]{1,40})%5[Dd]|%%([A-Z][A-Z0-9_]{1,40})%%"
)

Value = str | int | Iterable[str | int]


def fill(
    template: str,
    values: Mapping[str, Value],
    *,
    withheld: Collection[str] = (),
    leave: bool = False,
) -> str:
    """``template`` with the macros in it filled; several values are joined by commas.

    ``leave`` keeps known macros without a value for whoever comes next, the player for one.
    """

    def filled(match: re.Match[str]) -> str:
        name = match[1] or match[2] or match[3]
        if name in withheld:
            return WITHHELD_VALUE
        if (value := values.get(name)) is not None:
            return _encoded(value)
        return UNKNOWN_VALUE if name in KNOWN and not leave else match[0]

    return _MACRO.sub(filled, template)


def timestamp(moment: datetime) -> str:
    """For [TIMESTAMP]: ISO 8601 with milliseconds. ``moment`` knows its time zone."""
    return moment.isoformat(timespec="milliseconds")


def cachebusting(number: int) -> str:
    """For [CACHEBUSTING]: eight digits of any random number."""
    return f"{10_000_000 + number % 90_000_000}"


def _encoded(value: Value) -> str:
    if isinstance(value, str | int):
        return quote(str(value), safe="")
    return ",".join(quote(str(one), safe="") for one in value)
