"""SQLite databases as the migrations leave them."""

from __future__ import annotations

import functools
import tempfile
from pathlib import Path

from storage.session import Database


def migrated(file: Path) -> Database:
    """An open database with all migrations run: once in this process; what they made is copied to `file`, unless that is there."""
    file.parent.mkdir(parents=True, exist_ok=True)
    if not file.exists():  # another process may have it open
        file.write_bytes(_made_by_the_migrations())
    return Database(f"sqlite:///{file}")


@functools.cache
def _made_by_the_migrations() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "tutee.db"
        database = Database(f"sqlite:///{file}")
        database.upgrade()
        database.close()
        return file.read_bytes()
