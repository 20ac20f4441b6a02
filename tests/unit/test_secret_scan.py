"""The checks of the tree itself find what they are for."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from tests import audit, secret_scan

KEY = "AKIA" + "IOSFODNN7" + "EXAMPLQ"  # put together here, so that the scan of this file does not find it


def test_a_key_is_found_and_not_repeated(tmp_path: Path) -> None:
    (tmp_path / "fine.py").write_text("key = load_from_environment()\n")
    (tmp_path / "bad.py").write_text(f"import os\nkey = '{KEY}'\n")
    (tmp_path / "worse.txt").write_text("-----BEGIN RSA " + "PRIVATE KEY-----\n")
    found = secret_scan.secrets_in(sorted(tmp_path.iterdir()), tmp_path)
    assert found == ["bad.py:2: AWS Access Key", "worse.txt:1: Private Key"]


def program(answer: str) -> list[str]:
    return [sys.executable, "-c", f"print({answer!r})"]


def test_an_audit_passes_only_where_everything_was_checked() -> None:
    good = {"name": "a", "version": "1", "vulns": []}
    bad = {"name": "b", "version": "1", "vulns": [{"id": "CVE-1", "fix_versions": ["2"]}]}
    unknown = {"name": "c", "skip_reason": "not found"}
    expected = {(0,): [good], (1,): [good, bad, unknown], (2,): [good, unknown], (2, 2): [unknown]}
    for codes, dependencies in expected.items():
        assert audit.main(program(json.dumps({"dependencies": dependencies}))) == codes[0]
    assert audit.main(program("no connection")) == 2
