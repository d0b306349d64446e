"""Fragments are read and cut to the byte, and what is broken is told."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest

from adapters.outbound.transcoding.packaging.boxes import box, boxes, full, u32, u64
from adapters.outbound.transcoding.packaging.segments import STYP, write_audio, write_video
from adapters.outbound.transcoding.packaging.track import Track, read_track
from domain.kernel.errors import ContractError


def header(timescale: int, delay: int = 0) -> bytes:
    edits = box(b"edts", full(b"elst", 0, 0, u32(1), u32(0), u32(delay), u32(0x10000)))
    media = box(b"mdia", full(b"mdhd", 0, 0, u32(0), u32(0), u32(timescale), u32(0), u32(0)))
    return box(b"ftyp", b"iso6", u32(0)) + box(b"moov", box(b"trak", edits, media))


def fragment(time: int, samples: list[bytes], step: int) -> bytes:
    """With sizes and durations of each sample of its own, and a base for all of them."""
    rows = b"".join(u32(step) + u32(len(one)) for one in samples)

    def moof(offset: int) -> bytes:
        return box(
            b"moof",
            box(
                b"traf",
                full(b"tfhd", 0, 0x020000, u32(1)),
                full(b"tfdt", 1, 0, u64(time)),
                full(b"trun", 0, 0x301, u32(len(samples)), u32(offset), rows),
            ),
        )

    return moof(len(moof(0)) + 8) + box(b"mdat", *samples)


def track(seconds: list[int]) -> Track:
    """A fragment of so many seconds each, of one sample a second."""
    data, time = header(1000), 0
    for index, length in enumerate(seconds):
        data += fragment(time, [bytes([index])] * length, 1000)
        time += 1000 * length
    return read_track(data)


def test_segments_are_whole_fragments_of_six_seconds(tmp_path: Path) -> None:
    segments = write_video(track([2, 2, 2, 2, 2, 2, 1]), tmp_path)
    assert [one.seconds for one in segments] == [6, 6, 1]
    assert [len(one.keys) for one in segments] == [3, 3, 1]
    for one in segments:
        content = (tmp_path / one.name).read_bytes()
        assert len(content) == one.size
        assert content.startswith(STYP)
        for key in one.keys:
            part = content[key.offset : key.offset + key.length]
            assert part[4:8] == b"moof"
            assert part[-5:-1] == b"mdat"


def test_a_very_short_rest_belongs_to_the_segment_before(tmp_path: Path) -> None:
    data = header(10) + b"".join(
        fragment(at, [b"x"] * length, 1) for at, length in ((0, 20), (20, 20), (40, 20), (60, 4))
    )
    assert [one.seconds for one in write_video(read_track(data), tmp_path)] == [Fraction("6.4")]


def test_sound_is_cut_at_the_first_frame_after_the_pictures_cut(tmp_path: Path) -> None:
    """Frames of 0.4 s, the first of which is not heard: cuts at 6 s and at the end, 7 s."""
    names = [bytes([n]) for n in range(30)]
    data = header(10, delay=4) + fragment(0, names[:11], 4) + fragment(44, names[11:], 4)
    segments = write_audio(read_track(data), [Fraction(6), Fraction(7)], tmp_path)
    assert [one.seconds for one in segments] == [6, Fraction("1.2")]
    found = []
    for one in segments:
        again = read_track(header(10) + (tmp_path / one.name).read_bytes()[len(STYP) :])
        (part,) = again.fragments
        found.append((part.time, bytes(again.data[part.samples : part.end])))
    assert found == [(0, b"".join(names[:16])), (64, b"".join(names[16:19]))]


def test_the_delay_is_read_from_the_edit_list() -> None:
    assert read_track(header(10, delay=4) + fragment(0, [b"x"], 1)).delay == 4


@pytest.mark.parametrize(
    "data",
    [
        b"",
        header(10),
        header(10) + fragment(0, [b"x"], 1)[:-9],
        header(10) + u32(4) + b"moof",
        box(b"moov") + fragment(0, [b"x"], 1),
        header(10) + fragment(0, [b"x"], 1).replace(u32(9) + b"mdat", b""),
    ],
)
def test_a_broken_file_is_told(data: bytes) -> None:
    with pytest.raises(ContractError):
        read_track(data)


def test_large_boxes_are_understood() -> None:
    (one,) = boxes(u32(1) + b"mdat" + u64(20) + b"abcd")
    assert (one.body, one.end) == (16, 20)
