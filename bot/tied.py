"""Run a program that ends when its parent does: `python tied.py PARENT SIGNAL PROGRAM ARGUMENT…`. Needs nothing else.

The request to the kernel outlives exec, so it also holds for programs that know nothing of it, such as redis-server.
"""

import ctypes
import os
import sys

PR_SET_PDEATHSIG = 1


def main(parent: int, number: int, command: list[str]) -> None:
    """Become `command`. Where the system is not Linux, nothing ties it, and the next start cleans up."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, number)
        if os.getppid() != parent:  # it died before it could be watched
            sys.exit(1)
    os.execv(command[0], command)  # noqa: S606  (the command comes from processes.py)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:])
