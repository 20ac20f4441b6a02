"""`python -m tests.town.nursery`: has the libraries loaded and forks the processes of an installation, so that each starts at once.

Orders come as JSON lines on standard input, answers go out as JSON lines; at the end of the input everything that was forked is killed.
It never computes anything: a process that forks after torch has computed leaves children that hang.
"""

from __future__ import annotations

import atexit
import ctypes
import json
import os
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

from tests.services import ROOT

PR_SET_PDEATHSIG = 1


class Nursery:
    """Starts processes of `tests.town.processes` from one that has imported everything."""

    def __init__(self) -> None:
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.town.nursery"], cwd=ROOT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self._order = threading.Lock()

    def start(self, arguments: list[str], environment: dict[str, str], log: Path) -> int:
        """Fork a process that runs `tests.town.processes.main(arguments)`; its number."""
        assert self._process.stdin is not None and self._process.stdout is not None
        with self._order:
            self._process.stdin.write(json.dumps({"arguments": arguments, "environment": environment, "log": str(log)}) + "\n")
            self._process.stdin.flush()
            return int(json.loads(self._process.stdout.readline())["pid"])

    def close(self) -> None:
        """End it and everything that it forked."""
        assert self._process.stdin is not None and self._process.stdout is not None
        with suppress(BrokenPipeError):  # it was killed with whoever started us
            self._process.stdin.close()
        self._process.wait(30)
        self._process.stdout.close()


@cache
def nursery() -> Nursery:
    """The one of this process, for all installations that it starts; it ends with the process."""
    shared = Nursery()
    atexit.register(shared.close)
    return shared


def _serve() -> None:
    from tests.town import processes  # the libraries, once

    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel buries them
    children: list[int] = []
    for line in sys.stdin:
        order = json.loads(line)
        pid = os.fork()
        if pid == 0:
            _become(order, processes)
        children.append(pid)
        sys.stdout.write(json.dumps({"pid": pid}) + "\n")
        sys.stdout.flush()
    for child in children:
        try:
            os.kill(child, signal.SIGKILL)
        except ProcessLookupError:
            continue


def _become(order: dict[str, Any], processes: Any) -> None:
    """In the child: a process as if it had been started by itself."""
    code = 70
    try:
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.setpgid(0, 0)
        log = os.open(order["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        nothing = os.open(os.devnull, os.O_RDONLY)
        for ours, theirs in ((nothing, 0), (log, 1), (log, 2)):
            os.dup2(ours, theirs)
        os.environ.update(order["environment"])
        code = processes.main(order["arguments"])
    finally:
        sys.stdout.flush()
        os._exit(code)


if __name__ == "__main__":
    _serve()
