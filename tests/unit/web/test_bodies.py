from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.outbound.web.bodies import decoder_of
from adapters.outbound.web.errors import RemoteUndecodable


@given(st.binary(max_size=5_000), st.integers(1, 200), st.sampled_from(["gzip", "deflate", ""]))
def test_whatever_pieces_a_body_comes_in_it_is_the_same(
    body: bytes, piece: int, encoding: str
) -> None:
    packed = {"gzip": gzip.compress(body), "deflate": zlib.compress(body), "": body}[encoding]
    decoder, room = decoder_of(encoding), len(body)
    found = b""
    for start in range(0, len(packed), piece):
        found += decoder.decode(packed[start : start + piece], room - len(found))
    decoder.finish()
    assert found == body


@pytest.mark.parametrize("room", [0, 1, 1_000])
@pytest.mark.parametrize(
    ("encoding", "pack"), [("gzip", gzip.compress), ("deflate", zlib.compress)]
)
def test_one_byte_beyond_the_room_is_all_that_is_unpacked(
    encoding: str, pack: Callable[[bytes], bytes], room: int
) -> None:
    bomb = pack(b"\0" * 5_000_000)
    assert len(decoder_of(encoding).decode(bomb, room)) == room + 1


def test_a_body_that_breaks_off_is_not_whole() -> None:
    decoder = decoder_of("gzip")
    decoder.decode(gzip.compress(b"whole")[:-1], 100)
    with pytest.raises(RemoteUndecodable):
        decoder.finish()
