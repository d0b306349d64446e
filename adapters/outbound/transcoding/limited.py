"""Becomes another program, within limits: run as a file, imports nothing of ours.

``limited.py PARENT NICE MEMORY FILE_SIZE CPU_SECONDS PROGRAM ARGUMENT…``

Set here, between fork and exec, because a hook of the parent's is not safe among threads. Where the
system can (Linux), the program is killed when its parent is.
"""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import sys

PR_SET_PDEATHSIG = 1


def main(arguments: list[str]) -> None:
    parent, nice, memory, file_size, seconds = (int(one) for one in arguments[:5])
    _die_with(parent)
    os.nice(nice)
    for what, limit in (
        (resource.RLIMIT_AS, memory),
        (resource.RLIMIT_FSIZE, file_size),
        (resource.RLIMIT_CPU, seconds),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(what, (limit, limit))
    program = arguments[5]
    os.execv(program, arguments[5:])  # noqa: S606 - the program is given by who starts us


def _die_with(parent: int) -> None:
    if sys.platform != "linux":
        return
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it died in between
        sys.exit(1)


if __name__ == "__main__":
    main(sys.argv[1:])
