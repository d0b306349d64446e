"""Films made by ffmpeg's own sources, and a server on the loopback that has them."""

from __future__ import annotations

import functools
import http.server
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import imageio_ffmpeg


def make(
    file: Path, picture: str, *, seconds: int, sound: str | None = "sine=frequency=440"
) -> Path:
    """``picture``, ``sound``: sources of ffmpeg's, without their duration. Quick and small."""
    command: list[str] = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-y"]
    command += ["-f", "lavfi", "-i", f"{picture}:duration={seconds}"]
    if sound is not None:
        command += ["-f", "lavfi", "-i", f"{sound}:duration={seconds}", "-c:a", "aac"]
    command += ["-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", str(file)]
    subprocess.run(command, check=True, timeout=60)
    return file


class Served(http.server.SimpleHTTPRequestHandler):
    """``asked``: the paths, in their order."""

    asked: list[str]

    def log_message(self, *_: object) -> None:
        self.asked.append(self.path)


@contextmanager
def served(folder: Path) -> Iterator[tuple[str, list[str]]]:
    """``host:port``, and what was asked for so far."""
    asked: list[str] = []
    handler = functools.partial(type("Of", (Served,), {"asked": asked}), directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, name="films")
        thread.start()
        try:
            yield f"127.0.0.1:{server.server_port}", asked
        finally:
            server.shutdown()
            thread.join()
