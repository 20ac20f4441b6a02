"""`python -m tests.load [--users N] [--rate PER_SECOND] [--seconds S] [--rush N] [--table FILE]`; an hour: `--seconds 3600`."""

from __future__ import annotations

import argparse
import signal
import sys
from pathlib import Path

from tests.faults.__main__ import insert
from tests.load.crowd import Crowd, measure, written


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.load", description=__doc__)
    parser.add_argument("--users", type=int, default=5000)
    parser.add_argument("--rate", type=float, default=20.0, help="messages a second")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--rush", type=int, default=400, help="messages at one moment, in the middle")
    parser.add_argument("--table", type=Path, help="a Markdown file with the marks, such as docs/reliability.md")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # the town is taken down then, too
    done = measure(Crowd(options.users, options.rate, options.seconds, options.rush))
    print(text := written(done))
    if options.table:
        insert(options.table, "load", text)
    return 0 if done.answered == done.sent and not done.answered_twice else 1


if __name__ == "__main__":
    sys.exit(main())
