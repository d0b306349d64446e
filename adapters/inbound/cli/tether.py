"""``python tether.py PARENT COMMAND…``: becomes the command, tied to the life of its parent.

On Linux the kernel sends SIGTERM when the parent has died, however it died; elsewhere this only
becomes the command. Runs without the project's packages, so it takes milliseconds. (A
``preexec_fn`` would do the same, but it is unsafe beside threads.)
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main() -> None:
    parent, command = int(sys.argv[1]), sys.argv[2:]
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:
            sys.exit("the parent has died already")
    os.execvp(command[0], command)  # noqa: S606 becoming the command is its purpose


if __name__ == "__main__":
    main()
