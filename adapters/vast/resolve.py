"""Wrappers followed to their ads: concurrently, in order, within limits, with every failure told.

``fetch`` is given an address and brings a document, or raises ``FetchFailed`` or ``FetchTimedOut``.
Each failure is reported to the Error URIs of the whole chain with one code (VAST 4.2, 2.3.6.2).
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field, replace

from lxml import etree

from .ads import ResolvedAd, categories_of, error_urls_of
from .breaks import AdBreak, ErrorReport, Gap
from .document import VastDocument, parse
from .errors import DocumentRefused, FetchFailed, FetchTimedOut
from .merge import merge
from .names import attribute, child_text, flag, number
from .xml import DEFAULT_LIMITS, Limits

_COUNT = etree.XPath("count(descendant-or-self::*)")

Fetch = Callable[[str], Awaitable[bytes]]

SCHEMA, BLOCKED, WRAPPER_FAILED = 101, 205, 300
WRAPPER_TIMEOUT, WRAPPER_LIMIT, NO_AD = 301, 302, 303


@dataclass(frozen=True, slots=True)
class ResolveLimits:
    """``depth`` counts wrappers from the root; times are in seconds."""

    depth: int = 5
    total: float = 10.0
    each: float = 3.0
    requests: int = 40
    """Of one break, for a tree of wrappers that each lead to many."""
    merging: int = 5_000_000
    """Elements of a wrapper times those of an ad, over a break: what merging may cost at most."""
    document: Limits = DEFAULT_LIMITS


@dataclass(frozen=True, slots=True)
class _Chain:
    """The wrappers above a document, the outermost first."""

    wrappers: tuple[etree._Element, ...] = ()
    urls: frozenset[str] = frozenset()
    may_follow: bool = True

    @property
    def error_urls(self) -> tuple[str, ...]:
        return _distinct(error_urls_of(one) for one in reversed(self.wrappers))


@dataclass(slots=True)
class _Found:
    """Of one Ad or one document. ``spare`` are stand-alone ads, ``pod`` those in sequence."""

    pod: list[ResolvedAd | Gap] = field(default_factory=list)
    spare: list[ResolvedAd] = field(default_factory=list)
    reports: list[ErrorReport] = field(default_factory=list)

    def add(self, other: _Found) -> None:
        self.pod += other.pod
        self.spare += other.spare
        self.reports += other.reports


async def resolve(
    source: str | bytes | VastDocument,
    fetch: Fetch,
    limits: ResolveLimits | None = None,
    *,
    allow_multiple_ads: bool = True,
    follow_wrappers: bool = True,
) -> AdBreak:
    """The break that an address or a document leads to. A document is used up: parse it anew.

    The two switches are VMAP's (``allowMultipleAds``, ``followRedirects``), for the first document.
    Raises ``FetchFailed`` or ``DocumentRefused`` for the first document only, whose Error URIs
    nobody knows yet.
    """
    run = _Run(fetch, limits or ResolveLimits())
    urls = frozenset({source}) if isinstance(source, str) else frozenset()
    if isinstance(source, str):
        source = await run.fetch(source)
    document = parse(source, run.limits.document) if isinstance(source, bytes) else source
    chain = _Chain(urls=urls, may_follow=follow_wrappers)
    found = await run.document(_one_only(document, several=allow_multiple_ads), chain)
    if not document.ads:
        found.reports.append(ErrorReport(NO_AD, document.error_urls, "the answer has no ad"))
    for place, ad in enumerate((one for one in found.pod if isinstance(one, ResolvedAd)), 1):
        ad.sequence = place
    return AdBreak(
        document.version,
        tuple(found.pod),
        tuple(found.spare),
        tuple(found.reports),
        document.error_urls,
    )


class _Run:
    def __init__(self, fetch: Fetch, limits: ResolveLimits) -> None:
        self.limits = limits
        self._fetch = fetch
        self._deadline = asyncio.get_running_loop().time() + limits.total
        self._keys = itertools.count()
        self._requests = limits.requests
        self._merging = limits.merging

    async def fetch(self, url: str) -> bytes:
        left = self._deadline - asyncio.get_running_loop().time()
        if left <= 0:
            raise FetchTimedOut("the time of the break is over")
        try:
            async with asyncio.timeout(min(left, self.limits.each)):
                return await self._fetch(url)
        except TimeoutError as error:
            raise FetchTimedOut("no answer in time") from error

    # --- a document -------------------------------------------------------------------------------

    async def document(self, document: VastDocument, chain: _Chain) -> _Found:
        ads = _in_order(document)
        found = _Found()
        if document.valid_as:  # so there is no wrapper among them
            every = [self._inline(one, document, chain) for one in ads]
        else:
            every = await asyncio.gather(*(self._ad(one, document, chain) for one in ads))
        for one in every:
            found.add(one)
        return found

    async def _ad(self, ad: etree._Element, document: VastDocument, chain: _Chain) -> _Found:
        wrapper = next(ad.iterchildren("Wrapper"), None)
        if wrapper is None or next(ad.iterchildren("InLine"), None) is not None:
            return self._inline(ad, document, chain)
        found = await self._wrapper(wrapper, document, chain)
        return found if _sequence(ad) is None else _in_sequence(found, wrapper)

    def _inline(self, ad: etree._Element, document: VastDocument, chain: _Chain) -> _Found:
        found = self._own(ad, document, chain)
        return found if _sequence(ad) is None else _in_sequence(found, None)

    def _own(self, ad: etree._Element, document: VastDocument, chain: _Chain) -> _Found:
        inline = next(ad.iterchildren("InLine"), None)
        if inline is None:
            return _failed(chain, SCHEMA, "an Ad without InLine or Wrapper")
        for wrapper in reversed(chain.wrappers):
            self._merging -= _elements(wrapper) * _elements(inline)
            if self._merging < 0:
                return _failed(chain, WRAPPER_FAILED, "wrappers with too much to merge")
            merge(wrapper, inline)
        valid_as = "" if chain.wrappers else document.valid_as
        if not valid_as and inline.find("Creatives/Creative") is None:
            return _failed(chain, SCHEMA, "an InLine without creatives", error_urls_of(inline))
        if chain.wrappers and _blocked(inline, chain):
            return _failed(chain, BLOCKED, "of a blocked category", error_urls_of(inline))
        key = str(next(self._keys))
        return _Found(spare=[ResolvedAd(key, ad, chain.wrappers, valid_as=valid_as)])

    # --- a wrapper --------------------------------------------------------------------------------

    async def _wrapper(
        self, wrapper: etree._Element, document: VastDocument, chain: _Chain
    ) -> _Found:
        inner = replace(chain, wrappers=(*chain.wrappers, wrapper))
        url = child_text(wrapper, "VASTAdTagURI")
        if not chain.may_follow:
            return _failed(inner, WRAPPER_LIMIT, "a wrapper allows no further wrapper")
        if len(inner.wrappers) > self.limits.depth:
            return _failed(inner, WRAPPER_LIMIT, f"more than {self.limits.depth} wrappers")
        if url is None:
            return _failed(inner, WRAPPER_FAILED, "a wrapper without an address")
        if url in chain.urls or self._requests <= 0:
            return _failed(inner, WRAPPER_LIMIT, "wrappers without end")
        self._requests -= 1
        follow = flag(wrapper, "followAdditionalWrappers") is not False
        inner = replace(inner, urls=chain.urls | {url}, may_follow=follow)
        try:
            answer = parse(await self.fetch(url), self.limits.document)
        except (FetchFailed, DocumentRefused) as error:
            return _failed(inner, error.vast_code, str(error))
        return await self._answer(answer, _several(wrapper, document), inner)

    async def _answer(self, answer: VastDocument, several: bool | None, inner: _Chain) -> _Found:
        found = await self.document(_one_only(answer, several=several), inner)
        if not found.reports and not found.pod and not found.spare:
            return _failed(inner, NO_AD, "no ad after wrappers", answer.error_urls)
        return found


def _in_order(document: VastDocument) -> list[etree._Element]:
    """As they are to be played: those with a sequence by it, then the stand-alone ones."""
    placed = [(_sequence(one), one) for one in document.ads]
    in_pod = [(place, one) for place, one in placed if place is not None]
    in_pod.sort(key=lambda each: each[0])
    return [one for _, one in in_pod] + [one for place, one in placed if place is None]


def _elements(owner: etree._Element) -> int:
    return int(float(str(_COUNT(owner))))


def _sequence(ad: etree._Element) -> int | None:
    return number(attribute(ad, "sequence"))


def _several(wrapper: etree._Element, document: VastDocument) -> bool | None:
    """``allowMultipleAds``. None where nothing is said; VAST 2 knows no such thing and allows."""
    said = flag(wrapper, "allowMultipleAds")
    return True if said is None and document.major == 2 else said


def _one_only(answer: VastDocument, *, several: bool | None) -> VastDocument:
    """The first stand-alone ad (VAST 4.2, 3.19), unless several are allowed.

    Where nothing was said and there is no stand-alone ad, the first of the pod: many brokers leave
    the attribute out and mean no refusal.
    """
    if several:
        return answer
    ads = _in_order(answer)
    alone = [one for one in ads if _sequence(one) is None]
    chosen = alone[:1] or (ads[:1] if several is None else [])
    for one in ads:
        if one not in chosen:
            answer.root.remove(one)
        elif "sequence" in one.attrib:
            del one.attrib["sequence"]
    return answer


def _in_sequence(found: _Found, wrapper: etree._Element | None) -> _Found:
    """What was found for an ad with a sequence: a pod takes its place, else the first ad does."""
    replaceable = wrapper is None or flag(wrapper, "fallbackOnNoAd") is not False
    if not found.pod:
        found.pod = [*found.spare[:1]] or [Gap(replaceable)]
        found.spare = found.spare[1:]
    for one in found.pod:
        if isinstance(one, ResolvedAd):
            one.may_be_replaced = one.may_be_replaced and replaceable
    return found


def _blocked(inline: etree._Element, chain: _Chain) -> bool:
    """By a wrapper's ``BlockedAdCategories``: the same authority, the same or a wider category."""
    categories = categories_of(inline, "Category")
    return bool(categories) and any(
        blocked.authority in ("", category.authority)
        and (category.value == value or category.value.startswith(f"{value}-"))
        for wrapper in chain.wrappers
        for blocked in categories_of(wrapper, "BlockedAdCategories")
        for value in blocked.value.replace(",", " ").split()
        for category in categories
    )


def _failed(chain: _Chain, code: int, reason: str, more: tuple[str, ...] = ()) -> _Found:
    urls = _distinct((more, chain.error_urls))
    return _Found(reports=[ErrorReport(code, urls, reason)])


def _distinct(urls: Iterable[Iterable[str]]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(itertools.chain.from_iterable(urls)))
