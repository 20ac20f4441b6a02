"""`python -m tests.audit`: asks the public database of vulnerabilities about every pinned version.

Exits 0 where nothing is known, 1 where something is, and 2 where not everything could be checked, as without a network: that is no pass.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

PINS = Path(__file__).parent.parent / "constraints.txt"
# Known, and why it does not concern us; each with the date of the decision.
ACCEPTED: dict[str, str] = {}


def main(program: Sequence[str] = (sys.executable, "-m", "pip_audit")) -> int:
    command = [*program, "--requirement", str(PINS), "--no-deps", "--disable-pip", "--format", "json", "--progress-spinner", "off", "--timeout", "10"]
    asked = subprocess.run(command, capture_output=True, text=True, check=False)
    try:
        answer = json.loads(asked.stdout)["dependencies"]
    except (ValueError, KeyError, TypeError):
        last = (asked.stderr.strip().splitlines() or ["no answer"])[-1]
        sys.stderr.write(f"The database of vulnerabilities cannot be reached from here, so nothing was checked: {last[:200]}\n")
        return 2
    found = [
        f"{each['name']} {each['version']}: {known['id']}, mended in {', '.join(known['fix_versions']) or 'no version yet'}"
        for each in answer
        for known in each.get("vulns", ())
        if known["id"] not in ACCEPTED
    ]
    unchecked = [each["name"] for each in answer if "skip_reason" in each]
    if len(unchecked) == len(answer):  # an index without that service says of every package that it is not there
        sys.stderr.write("Whoever answers here for the database of vulnerabilities knows none of the packages, so nothing was checked.\n")
        return 2
    sys.stdout.write(f"{len(answer) - len(unchecked)} packages were checked, {len(found)} vulnerabilities are known.\n")
    sys.stdout.writelines(f"{each}\n" for each in found)
    if unchecked:
        sys.stderr.write(f"Not checked, because the database does not know them: {', '.join(unchecked)}\n")
    return 1 if found else 2 if unchecked else 0


if __name__ == "__main__":
    sys.exit(main())
