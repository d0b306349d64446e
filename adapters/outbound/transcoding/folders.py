"""Folders that a worker renders in: gone with the job, and swept when a worker died with one."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

NAME = re.compile(r"homecast-render-(\d+)-")


@contextmanager
def working_folder(root: Path) -> Iterator[Path]:
    root.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=f"homecast-render-{os.getpid()}-", dir=root))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def sweep(root: Path) -> int:
    """Remove folders of processes that live no more; call before the first job, when a folder with
    our own number is that of a process before us. How many there were."""
    found = 0
    for folder in root.glob("homecast-render-*"):
        owner = NAME.match(folder.name)
        if owner and not _lives(int(owner.group(1))):
            shutil.rmtree(folder, ignore_errors=True)
            found += 1
    return found


def _lives(process: int) -> bool:
    if process == os.getpid():
        return False
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
