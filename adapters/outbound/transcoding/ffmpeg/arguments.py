"""ffmpeg's command lines. One process decodes once and encodes all rungs and the sound."""

from __future__ import annotations

from pathlib import Path

from adapters.outbound.transcoding.ffmpeg.loudness import METER, STEREO, Correction
from adapters.outbound.transcoding.ffmpeg.plan import Plan
from adapters.outbound.transcoding.probing import FORMATS
from domain.media.ladder import AUDIO_RATE, GOP_SECONDS, Rendered

QUALITY = 21
"""x264's constant rate factor: what easy films are content with. The rest is held by the rate."""
BETTER = 3
"""By so much is the quality of a rung better than that of the same size below it: without, both are
equal for films that need less than the rate of either."""
BUFFER_SECONDS = 1.5
"""Of the rate. A segment of six seconds then peaks at 125 % of it (clause 1.30 takes 200)."""
MOST_ERRORS = 0.1
"""Of the frames may be undecodable; a film with more is broken."""
SPARE_SECONDS = 2
"""The last picture is held so long at most, where there are fewer frames than was promised."""

STANDARD_RANGE = (
    "zscale=t=linear:npl=100,format=gbrpf32le,zscale=p=bt709,tonemap=hable:desat=0,"
    "zscale=t=bt709:m=bt709:r=tv,format=yuv420p"
)
"""High dynamic range as standard range: playlists say SDR, and mean it."""

COMMON = ("-nostdin", "-hide_banner", "-y")
INPUT = ("-protocol_whitelist", "file", "-format_whitelist", FORMATS)
FRAGMENTED = "+cmaf+default_base_moof+delay_moov"
"""With the header written late, so that an edit list tells of the encoder's delay. Negative offsets
would do for pictures, but players built on ffmpeg then show them late by two frames."""


def measure(film: Path, correction: Correction | None = None) -> list[str]:
    """As it is, or as corrected. The meter's words come on standard error."""
    filters = [STEREO, *([correction.filters] if correction else []), METER]
    return [*COMMON, "-loglevel", "info", "-nostats", *INPUT, "-vn", "-sn", "-dn", "-i", str(film),
            "-map", "0:a:0", "-af", ",".join(filters), "-f", "null", "-"]  # fmt: skip


def render(
    film: Path, plan: Plan, correction: Correction | None, folder: Path, preset: str, threads: int
) -> list[str]:
    """``0.mp4``, ``1.mp4`` … for the rungs and ``audio.mp4``, each a fragmented file of one track.
    Progress comes on standard output."""
    arguments = [*COMMON, "-loglevel", "error", "-progress", "pipe:1", "-stats_period", "0.5",
                 *INPUT, "-max_error_rate", str(MOST_ERRORS), "-threads", str(threads),
                 "-i", str(film), "-filter_complex", graph(plan, correction)]  # fmt: skip
    for index, rung in enumerate(plan.rungs):
        arguments += _video(index, rung, plan, preset, threads)
        arguments.append(str(folder / f"{index}.mp4"))
    return [*arguments, *_audio(), str(folder / "audio.mp4")]


def graph(plan: Plan, correction: Correction | None) -> str:
    """Turned as the film says (ffmpeg does so by itself), then deinterlaced, brought to an even
    grid of frames that begins at 0, cut to length, and scaled to each rung with square pixels."""
    first = "bwdif=mode=send_frame:deint=interlaced," if plan.interlaced else ""
    if plan.hdr:
        first += f"{STANDARD_RANGE},"
    common = (
        f"[0:V:0]{first}fps={plan.rate}:start_time=0,"
        f"tpad=stop_mode=clone:stop_duration={SPARE_SECONDS},trim=end_frame={plan.frames},"
        f"split={len(plan.rungs)}"
    )
    parts = [common + "".join(f"[s{index}]" for index in range(len(plan.rungs)))]
    parts += [
        f"[s{index}]scale={rung.width}:{rung.height}:flags=bicubic:out_range=tv,"
        f"setsar=1,format=yuv420p[v{index}]"
        for index, rung in enumerate(plan.rungs)
    ]
    return ";".join([*parts, _sound(plan, correction)])


def preview(folder: Path, target: Path) -> list[str]:
    """The lowest rung and the sound, as one file that can be played while it comes."""
    return [*COMMON, "-loglevel", "error", "-i", str(folder / "0.mp4"),
            "-i", str(folder / "audio.mp4"), "-map", "0:v", "-map", "1:a", "-c", "copy",
            "-movflags", "+faststart", str(target)]  # fmt: skip


def _sound(plan: Plan, correction: Correction | None) -> str:
    """As long as the picture (clauses 8.2, 8.3): filled with silence, or cut."""
    end = f"{float(plan.seconds):.6f}"
    if not plan.audio:
        return f"anullsrc=r=48000:cl=stereo,atrim=end={end}[a]"
    filters = f"{STEREO},{correction.filters}" if correction else STEREO
    return f"[0:a:0]{filters},apad=whole_dur={end},atrim=end={end}[a]"


def _video(index: int, rung: Rendered, plan: Plan, preset: str, threads: int) -> list[str]:
    """Key frames at the same times in all rungs: the first frame of every second second."""
    rate, buffer = rung.rate, round(rung.rate * BUFFER_SECONDS)
    below = sum((one.width, one.height) == (rung.width, rung.height) for one in plan.rungs[:index])
    return [
        "-map", f"[v{index}]", "-c:v", "libx264", "-preset", preset, "-profile:v", "high",
        "-crf", str(QUALITY - BETTER * below), "-maxrate", str(rate), "-bufsize", str(buffer),
        "-sc_threshold", "0", "-flags", "+cgop", "-forced-idr", "1",
        "-g", str(round(plan.rate * GOP_SECONDS * 5)),
        "-force_key_frames", f"expr:gte(t,n_forced*{GOP_SECONDS})",
        "-threads", str(threads), "-map_metadata", "-1", "-map_chapters", "-1",
        "-video_track_timescale", str(plan.timescale), "-f", "mp4",
        "-movflags", f"{FRAGMENTED}+frag_keyframe",
    ]  # fmt: skip


def _audio() -> list[str]:
    return [
        "-map", "[a]", "-c:a", "aac", "-profile:a", "aac_low", "-b:a", str(AUDIO_RATE),
        "-map_metadata", "-1", "-map_chapters", "-1", "-f", "mp4",
        "-frag_duration", "2000000", "-movflags", FRAGMENTED,
    ]  # fmt: skip
