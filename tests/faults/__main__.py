"""`python -m tests.faults [--table FILE] [--only WORDS]`: plays every case; `--soak SECONDS [--seed N]`: harms at random for so long.

With `--table`, the result replaces its part of the file, between the marks. Exits 1 where something does not hold.
"""

from __future__ import annotations

import argparse
import re
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from unittest import SkipTest

from tests.buckets import S3, keys
from tests.faults.cases import CASES, CUTS, MOMENTS, Case
from tests.faults.cuts import EVERYONE, play_cut
from tests.faults.scenes import play
from tests.faults.soak import soak, written
from tests.hosts.hosts import Hosts
from tests.town.town import Town


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--table", type=Path, help="a Markdown file with the marks, such as docs/reliability.md")
    parser.add_argument("--only", default="", help="cases with these words in their name")
    parser.add_argument("--soak", type=float, help="seconds")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # the town is taken down then, too
    if options.soak:
        done = soak(options.soak, options.seed)
        print(text := written(done))
        if options.table:
            insert(options.table, "soak", text)
        return 1 if done.wrong else 0
    results = [result for kind in ("sqlite", "postgresql") for result in _played(kind, options.only)] + _cut(options.only)
    if options.table and not options.only:
        insert(options.table, "faults", table(results))
    return 1 if any(wrong for _, _, wrong in results) else 0


def _played(kind: str, only: str) -> list[tuple[Case, float, str]]:
    cases = [each for each in CASES if each.database == kind and only in each.name]
    if not cases:
        return []
    with Town("sqlite" if kind == "sqlite" else "postgresql") as town:
        return [result for case in cases for result in _result(case, lambda case=case: play(case, town))]  # type: ignore[misc]  # bound


def _cut(only: str) -> list[tuple[Case, float, str]]:
    if not (cases := [each for each in CUTS if only in each.name]):
        return []
    server = S3()
    try:
        with keys(), Hosts(server) as hosts:
            hosts.start(*EVERYONE)
            hosts.until_ready(*EVERYONE)
            return [result for case in cases for result in _result(case, lambda case=case: play_cut(case, hosts))]  # type: ignore[misc]  # bound
    finally:
        server.stop()


def _result(case: Case, lived_through: Callable[[], object]) -> list[tuple[Case, float, str]]:
    """What came of a case, and how long it took; nothing where it cannot be played here."""
    began, wrong = time.monotonic(), ""
    try:
        lived_through()
    except AssertionError as error:
        wrong = str(error)
    except SkipTest as reason:
        print(f"skipped        {case.name}: {reason}", flush=True)
        return []
    seconds = time.monotonic() - began
    print(f"{'FAILS' if wrong else 'holds'} {seconds:6.1f} s  {case.name}\n{wrong}".rstrip(), flush=True)
    return [(case, seconds, wrong)]


def table(results: list[tuple[Case, float, str]]) -> str:
    """The results in Markdown."""
    held = sum(not wrong for _, _, wrong in results)
    lines = [
        f"{held} of {len(results)} cases hold, in {sum(seconds for _, seconds, _ in results):.0f} s.",
        "",
        "| scene | what is harmed | how | at which moment | database | the person is told | holds | s |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for case, seconds, wrong in results:
        told = f"“… {case.told} …”" if case.told else ("the lesson failed, and why" if case.ends == "failed" else "")
        verdict = "**no**: " + wrong.splitlines()[0] if wrong else "yes"
        lines.append(f"| {case.scene} | {case.what} | {case.how} | {MOMENTS[case.when]} | {case.database} | {told} | {verdict} | {seconds:.0f} |")
    return "\n".join(lines) + "\n"


def insert(file: Path, part: str, text: str) -> None:
    """Put the text between the marks of that part. Raises ValueError where they are not there."""
    begin, end = f"<!-- {part}: begin -->\n", f"<!-- {part}: end -->"
    changed, times = re.subn(re.escape(begin) + ".*?" + re.escape(end), lambda _: begin + text + end, file.read_text(encoding="utf-8"), flags=re.S)
    if times != 1:
        raise ValueError(f"{file} has no part {begin.strip()} … {end}")
    file.write_text(changed, encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
