"""Identity, ladder, content, brokers and the blocklist."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given as example
from hypothesis import strategies as st

from domain.media import blocklist, broker, content
from domain.media.blocklist import BLOCKLIST, BlocklistFull, Entry, EntryNotFound
from domain.media.broker import BROKER, BrokerConfig, PriceRule
from domain.media.content import CONTENT
from domain.media.identity import canonical, identity_of
from domain.media.ladder import LADDER, Ladder, Step, frame_rate
from domain.media.rendition import Source
from tests.support.given import given
from tests.support.media import at

URL = "https://films.example/a.mp4"


@pytest.mark.parametrize("nothing", ["unknown", "UNKNOWN", " Unknown ", "", "none"])
def test_an_id_of_unknown_is_no_id(nothing: str) -> None:
    other = "https://films.example/b.mp4"
    for ids in ([("ad-id.org", nothing)], [(nothing, "ABC")]):
        one = identity_of(ids, broker="acme", media_url=URL)
        assert one.kind == "url"
        assert one != identity_of(ids, broker="acme", media_url=other)


def test_a_registered_id_counts_within_registry_and_broker() -> None:
    one = identity_of([("Ad-ID.org", "ABC")], broker="acme", media_url=URL)
    assert one == identity_of([("ad-id.org", " ABC ")], broker="acme", media_url="other")
    for changed in (
        identity_of([("clearcast", "ABC")], broker="acme", media_url=URL),
        identity_of([("ad-id.org", "ABD")], broker="acme", media_url=URL),
        identity_of([("ad-id.org", "ABC")], broker="other", media_url=URL),
    ):
        assert changed.creative_id != one.creative_id


def test_the_first_real_id_of_several_counts() -> None:
    ids = [("x", "unknown"), ("ad-id.org", "ABC"), ("clearcast", "DEF")]
    assert identity_of(ids, broker="b", media_url=URL).text == "b ad-id.org ABC"


@pytest.mark.parametrize(
    ("url", "same"),
    [
        ("HTTPS://Films.Example/a.mp4", URL),
        ("https://films.example:443/a.mp4#part", URL),
        ("https://films.example/a.mp4?Expires=1&Signature=x&cb=9", URL),
        ("https://films.example/a.mp4?v=2&X-Amz-Date=1", f"{URL}?v=2"),
        ("http://films.example:80", "http://films.example/"),
        ("no address", "no address"),
    ],
)
def test_an_address_is_told_apart_by_what_lasts_of_it(url: str, same: str) -> None:
    assert canonical(url) == same


@example(st.text(max_size=300))
def test_whatever_stands_for_an_address_gives_an_id(text: str) -> None:
    found = identity_of([], broker=None, media_url=text)
    assert len(found.creative_id) == 26
    assert canonical(canonical(text)) == canonical(text)


sources = st.builds(
    Source,
    width=st.integers(2, 8000),
    height=st.integers(2, 8000),
    duration_ms=st.just(1000),
    frame_rate=st.floats(1, 240),
    video_codec=st.just("h264"),
)


@example(sources)
def test_no_rung_is_larger_than_the_source_and_all_have_its_shape(source: Source) -> None:
    rungs = LADDER.rungs(source)
    assert rungs
    assert sum(one.default for one in rungs) == 1
    for one in rungs:
        assert one.width <= source.width
        assert one.height <= source.height
        assert one.width % 2 == one.height % 2 == 0
        exact = source.height * one.width / source.width
        assert abs(one.height - exact) <= 2 + exact * 2 / one.width


def test_the_version_of_the_ladder_changes_with_its_steps() -> None:
    assert Ladder().version == LADDER.version
    assert Ladder((Step(416, 234, 146_000),)).version != LADDER.version


@pytest.mark.parametrize(("rate", "rendered"), [(25, 25), (59.94, 59.94), (120, 60), (240, 60)])
def test_no_more_than_sixty_frames_a_second(rate: float, rendered: float) -> None:
    source = Source(width=640, height=360, duration_ms=1, frame_rate=rate, video_codec="h264")
    assert frame_rate(source) == rendered


def test_content_belongs_to_who_comes_first() -> None:
    first = given(CONTENT).when(lambda s: content.claim(s, creative_id="a", at=at()))
    first.then(content.ContentClaimed)
    after = given(CONTENT, lambda s: content.claim(s, creative_id="a", at=at()))
    after.when(lambda s: content.claim(s, creative_id="b", at=at(1))).then()
    assert after.state.creative_id == "a"


CONFIG = BrokerConfig(
    url="https://ads.example/vast",
    prices=(PriceRule(cpm=Decimal("8.5000"), currency="EUR"),),
)


def configured(config: BrokerConfig = CONFIG, second: float = 0) -> object:
    return lambda state: broker.configure(state, config=config, by="token:t", at=at(second))


def retired(second: float = 1) -> object:
    return lambda state: broker.retire(state, by="token:t", at=at(second))


def test_a_broker_is_configured_as_a_whole_and_comes_back_after_retiring() -> None:
    given(BROKER).when(configured()).then(broker.BrokerConfigured)  # type: ignore[arg-type]
    other = CONFIG.model_copy(update={"time_limit_ms": 500})
    begun = given(BROKER, configured(), configured(other))  # type: ignore[arg-type]
    assert begun.state.version == 2
    gone = begun.after(retired())  # type: ignore[arg-type]
    gone.when(retired(2)).then()  # type: ignore[arg-type]
    gone.when(configured(other)).then(broker.BrokerConfigured)  # type: ignore[arg-type]
    given(BROKER).when(retired()).then()  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "wrong",
    [
        {"url": "ftp://ads.example/vast"},
        {"url": "https://ads.example/a b"},
        {"url": "https://ads.example", "time_limit_ms": 3_001},
        {"url": "https://ads.example", "wrapper_depth": 6},
        {"url": "https://ads.example", "prices": [{"cpm": "-1", "currency": "EUR"}]},
        {"url": "https://ads.example", "prices": [{"cpm": "1", "currency": "euro"}]},
        {"url": "https://ads.example", "nonsense": 1},
    ],
)
def test_a_configuration_has_limits(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="validation error"):
        BrokerConfig.model_validate(wrong)


def test_the_blocklist_finds_what_it_names() -> None:
    entries = (
        Entry(kind="creative", value="abc"),
        Entry(kind="address", value="https://bad.example/"),
        Entry(kind="advertiser", value="Acme"),
        Entry(kind="category", value="IAB25"),
        Entry(kind="address", value="https://Worse.example"),
    )
    state = BLOCKLIST.initial("blocklist-all").model_copy(update={"entries": entries})

    def blocked(**facts: object) -> Entry | None:
        given_facts = {"creative_id": "x", "address": "y", "advertiser": "", "categories": ()}
        return state.blocks(**(given_facts | facts))  # type: ignore[arg-type]

    assert blocked() is None
    assert blocked(creative_id="abc") == entries[0]
    assert blocked(address="https://bad.example/a.mp4") == entries[1]
    assert blocked(address="https://worse.example/a.mp4") == entries[4]
    assert blocked(address="https://worse.example.org/a.mp4") is None
    assert blocked(advertiser="ACME") == entries[2]
    assert blocked(categories=("IAB1", "iab25")) == entries[3]


def test_the_blocklist_takes_an_entry_once_and_only_so_many(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    entry = Entry(kind="advertiser", value="Acme")

    def add(which: Entry) -> object:
        return lambda s: blocklist.block(s, entry=which, reason="", by="token:t", at=at())

    def remove(which: Entry) -> object:
        return lambda s: blocklist.unblock(s, entry=which, by="token:t", at=at())

    begun = given(BLOCKLIST, add(entry))  # type: ignore[arg-type]
    begun.when(add(entry)).then()  # type: ignore[arg-type]
    monkeypatch.setattr(blocklist, "MOST_ENTRIES", 1)
    other = Entry(kind="advertiser", value="Other")
    begun.when(add(other)).then_raises(BlocklistFull)  # type: ignore[arg-type]
    empty = begun.after(remove(entry))  # type: ignore[arg-type]
    assert empty.state.entries == ()
    empty.when(remove(entry)).then_raises(EntryNotFound)  # type: ignore[arg-type]


@pytest.mark.parametrize("macro", ["[ADID]", "{id}", "${ID}", "%%ID%%", " <id> ", "undefined"])
def test_a_macro_that_nobody_filled_in_is_no_id(macro: str) -> None:
    found = identity_of([("ad-id.org", macro)], broker="acme", media_url="https://f.example/a")
    assert found.kind == "url"


def test_where_a_registry_ends_and_an_id_begins_is_never_in_doubt() -> None:
    pairs = [("a b", "c"), ("a", "b c")]
    texts = {identity_of([one], broker="x", media_url="https://f.example/a").text for one in pairs}
    assert len(texts) == 2


@pytest.mark.parametrize("cpm", ["0.1", "2.50", "1E+4", "0.0001"])
def test_a_price_is_the_same_after_storage(cpm: str) -> None:
    config = BrokerConfig.model_validate(
        {"url": "https://a.example/", "prices": [{"cpm": cpm, "currency": "EUR"}]}
    )
    assert BrokerConfig.model_validate_json(config.model_dump_json()) == config
