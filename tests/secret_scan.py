"""`python -m tests.secret_scan`: looks for keys, tokens and passwords in everything that is under version control; exits 1 where it finds one.

Kinds of secrets that have a form of their own; what only looks random is left out, or every digest in the tree would be one.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

from detect_secrets.core.plugins.util import get_mapping_from_secret_type_to_class
from detect_secrets.core.scan import scan_file
from detect_secrets.settings import transient_settings

ROOT = Path(__file__).parent.parent
GUESSING = {"Base64HighEntropyString", "HexHighEntropyString", "KeywordDetector", "IPPublicDetector"}
BINARY = {".pdf", ".png", ".xz", ".safetensors", ".frames", ".docx", ".woff2"}
MOST_BYTES = 500_000  # what is longer is data
# Files that show what a secret looks like, or the password of a database that a test makes and throws away.
EXAMPLES = {
    ("bot/wiring.py", "Basic Auth Credentials"),
    ("tests/integration/storage/test_storage_bucket.py", "Basic Auth Credentials"),
    ("tests/integration/storage/test_storage_migrations.py", "Basic Auth Credentials"),
    ("tests/integration/trainer/test_sources_fetch.py", "Basic Auth Credentials"),
    ("tests/unit/test_services_cli.py", "Basic Auth Credentials"),
    ("tests/unit/test_sources_secret.py", "Basic Auth Credentials"),
    ("tests/unit/test_sources_secret.py", "Private Key"),
}


def main() -> int:
    found = sorted(secrets_in(tracked()))
    for where in found:
        sys.stderr.write(f"{where}: remove it, and make it invalid where it was issued\n")
    return 1 if found else 0


def tracked() -> list[Path]:
    """The files under version control, and those that are about to be."""
    listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [ROOT / line for line in listed.splitlines()]


def secrets_in(files: list[Path], root: Path = ROOT) -> list[str]:
    """Where there is something secret: file, line and kind; never the secret itself."""
    known: dict[str, Any] = get_mapping_from_secret_type_to_class()
    kinds = [kind for kind in known.values() if kind.__name__ not in GUESSING]
    patterns = [pattern for kind in kinds for pattern in getattr(kind(), "denylist", ())]
    found = []
    with transient_settings({"plugins_used": [{"name": kind.__name__} for kind in kinds]}):
        for file in files:
            if not file.is_file() or file.suffix in BINARY or file.stat().st_size > MOST_BYTES:
                continue
            text = file.read_text(encoding="utf-8", errors="replace")
            if any(pattern.search(text) for pattern in patterns):  # looking closer is a hundred times slower
                secrets = ((file.relative_to(root).as_posix(), each) for each in scan_file(str(file)))
                found += [f"{where}:{each.line_number}: {each.type}" for where, each in secrets if (where, each.type) not in EXAMPLES]
    return found


if __name__ == "__main__":
    sys.exit(main())
