"""Everything of an installation in one file: the rows of the database, as they were at one moment, and the adapters' files.

The file does not depend on the kind of database or store: what was backed up on SQLite and a folder can be restored on PostgreSQL and a
bucket. Redis is not in it: the rows say what its jobs were. Nor are the configuration and the environment with the secrets.
"""

from __future__ import annotations

import base64
import json
import os
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from alembic.migration import MigrationContext
from sqlalchemy import JSON, Connection, DateTime, MetaData, Table, func, null, select, text

from storage.artifacts import NAME, Artifacts
from storage.bucket import FILE
from storage.errors import ArtifactMissingError, BackupError
from storage.session import Database

FORMAT = 1
ROWS_AT_ONCE = 500
VERSIONS = "alembic_version"


@dataclass(frozen=True, slots=True)
class Summary:
    """What is in a back-up. `missing`: versions that the rows name and whose files were not there."""

    rows: int
    adapters: int
    missing: tuple[str, ...] = ()


def back_up(database: Database, artifacts: Artifacts, file: Path) -> Summary:
    """Write everything to `file`, which appears when it is complete; the installation may be running meanwhile.

    Raises BackupError where the file exists or cannot be written, DatabaseUnavailableError or ArtifactUnavailableError.
    """
    if file.exists():
        raise BackupError(f"{file} exists already. Choose another name: a back-up is never overwritten.")
    with _written(file) as archive, _snapshot(database) as connection:
        tables = _tables(connection)
        counts = {table.name: _save_rows(archive, connection, table) for table in tables}
        contents = {"format": FORMAT, "revision": _revision(connection), "rows": counts, "newest": _newest(connection, tables)}
        names = [str(name) for name in connection.execute(text("SELECT name FROM adapters WHERE published_at IS NOT NULL AND removed_at IS NULL"))
                 .scalars()]  # fmt: skip
        missing = []
        for name in names:
            try:
                folder = artifacts.path(name)
            except ArtifactMissingError:
                missing.append(name)
                continue
            for path in sorted(folder.rglob("*")):
                if path.is_file():
                    archive.write(path, f"adapters/{name}/{path.relative_to(folder).as_posix()}", zipfile.ZIP_STORED)
        archive.writestr("tutee.json", json.dumps(contents, indent=1))
    return Summary(sum(counts.values()), len(names) - len(missing), tuple(missing))


def restore(database: Database, artifacts: Artifacts, file: Path) -> Summary:
    """Put everything back into an empty database and a store that has none of these adapters; afterwards the database is up to date.

    May be called again after it was cut short. Raises BackupError where the file is none or the database is not empty,
    DatabaseUnavailableError or ArtifactUnavailableError.
    """
    with _opened(file) as archive:
        contents = json.loads(archive.read("tutee.json"))
        if contents["format"] != FORMAT:
            raise BackupError(f"{file} was written by another version of Tutee: its format is {contents['format']}, this version reads {FORMAT}.")
        _require_empty(database, contents["revision"])
        adapters = _restore_adapters(archive, artifacts, file)
        database.upgrade(contents["revision"])
        with database.engine.begin() as connection:
            tables = _tables(connection)
            _restore_rows(archive, connection, tables)
            _restore_newest(connection, tables, contents["newest"])
        database.upgrade()
    return Summary(sum(contents["rows"].values()), adapters)


@contextmanager
def _snapshot(database: Database) -> Iterator[Connection]:
    """A transaction that sees the database as it is now, however long it lasts."""
    options: dict[str, Any] = {"sqlite_begin": "BEGIN"} if database.url.get_backend_name() == "sqlite" else {"isolation_level": "REPEATABLE READ"}
    with database.engine.connect().execution_options(**options) as connection, connection.begin():
        if connection.dialect.name == "postgresql":  # which would end it while big files are copied
            connection.execute(text("SET LOCAL idle_in_transaction_session_timeout = 0"))
        yield connection


def _tables(connection: Connection) -> list[Table]:
    """All tables as this database has them, each after those that it refers to, as far as that is possible."""
    metadata = MetaData()
    metadata.reflect(connection)
    tables = [table for table in metadata.tables.values() if table.name != VERSIONS]
    ordered: list[Table] = []
    while tables:
        ready = [each for each in tables if not _needs(each) & {other.name for other in tables if other is not each}]
        if not ready:
            raise BackupError("The tables refer to each other in a circle.")
        ordered += sorted(ready, key=lambda table: table.name)
        tables = [each for each in tables if each not in ready]
    return ordered


def _needs(table: Table) -> set[str]:
    """The tables that a row cannot be without; what may be empty is filled in afterwards."""
    return {key.column.table.name for key in table.foreign_keys if not key.parent.nullable}


def _save_rows(archive: zipfile.ZipFile, connection: Connection, table: Table) -> int:
    count = 0
    with archive.open(f"tables/{table.name}.jsonl", "w", force_zip64=True) as target:
        for row in connection.execution_options(yield_per=ROWS_AT_ONCE).execute(select(table).order_by(*table.primary_key.columns)).mappings():
            values = {column.name: _said(row[column.name], isinstance(column.type, JSON)) for column in table.columns}
            target.write(json.dumps(values, ensure_ascii=False).encode() + b"\n")
            count += 1
    return count


def _restore_rows(archive: zipfile.ZipFile, connection: Connection, tables: list[Table]) -> None:
    """What may be empty and refers to other rows is filled in when all of those are there."""
    for table in tables:
        later = _later(table)
        for row in _rows(archive, table):
            connection.execute(table.insert().values({name: null() if value is None or name in later else value for name, value in row.items()}))
    for table in tables:
        for row in _rows(archive, table):
            if values := {name: row[name] for name in _later(table) if row.get(name) is not None}:
                same = [column == row[column.name] for column in table.primary_key.columns]
                connection.execute(table.update().where(*same).values(values))


def _later(table: Table) -> set[str]:
    return {key.parent.name for key in table.foreign_keys if key.parent.nullable}


def _rows(archive: zipfile.ZipFile, table: Table) -> Iterator[dict[str, Any]]:
    with archive.open(f"tables/{table.name}.jsonl") as lines:
        for line in lines:
            yield {name: _heard(value, table.c[name].type) for name, value in json.loads(line).items()}


def _said(value: Any, is_json: bool) -> Any:
    """A value as JSON, so that nothing is taken for what it is not."""
    if value is None:
        return None
    if is_json:
        return {"json": value}
    if isinstance(value, datetime):  # SQLite keeps no time zone; all times are in UTC
        return {"time": (value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)).isoformat()}
    if isinstance(value, bytes):
        return {"bytes": base64.b64encode(value).decode()}
    return value


def _heard(value: Any, kind: Any) -> Any:
    if not isinstance(value, dict):
        return value
    [(what, content)] = value.items()
    if what == "time":
        time = datetime.fromisoformat(content)
        return time if isinstance(kind, DateTime) and kind.timezone else time.replace(tzinfo=None)
    return base64.b64decode(content) if what == "bytes" else content


def _newest(connection: Connection, tables: list[Table]) -> dict[str, int]:
    """The highest key that each table ever gave out, so that none is given out again, not even that of a user who deleted everything."""
    if connection.dialect.name == "sqlite":
        return {str(name): int(number) for name, number in connection.execute(text("SELECT name, seq FROM sqlite_sequence"))}
    newest = {}
    for table, sequence in _sequences(connection, tables):
        number, is_called = connection.execute(text(f"SELECT last_value, is_called FROM {sequence}")).one()  # noqa: S608  (the database's own name)
        newest[table.name] = int(number) if is_called else 0
    return newest


def _restore_newest(connection: Connection, tables: list[Table], newest: dict[str, int]) -> None:
    if connection.dialect.name == "sqlite":
        connection.execute(text("DELETE FROM sqlite_sequence"))
        for name, number in newest.items():
            connection.execute(text("INSERT INTO sqlite_sequence (name, seq) VALUES (:name, :number)"), {"name": name, "number": number})
        return
    for table, sequence in _sequences(connection, tables):
        if highest := newest.get(table.name):
            connection.execute(text("SELECT setval(:sequence, :number)"), {"sequence": sequence, "number": highest})


def _sequences(connection: Connection, tables: list[Table]) -> Iterator[tuple[Table, str]]:
    for table in tables:
        if "id" in table.c:
            sequence = connection.execute(text("SELECT pg_get_serial_sequence(:table, 'id')"), {"table": table.name}).scalar()
            if sequence:
                yield table, str(sequence)


def _revision(connection: Connection) -> str:
    revision = MigrationContext.configure(connection).get_current_revision()
    if revision is None:
        raise BackupError("This database is empty: there is nothing to back up. Check DATABASE_URL and --data.")
    return revision


def _require_empty(database: Database, revision: str) -> None:
    with database.engine.connect() as connection:
        tables = _tables(connection)
        if not tables:
            return
        found = MigrationContext.configure(connection).get_current_revision()
        if found != revision or any(connection.execute(select(func.count()).select_from(table)).scalar() for table in tables):
            raise BackupError(
                "The database is not empty. Restore into a new one: set DATABASE_URL (or --data) to one that does not exist yet, "
                "and artifacts.url to a new folder of the bucket."
            )


def _restore_adapters(archive: zipfile.ZipFile, artifacts: Artifacts, file: Path) -> int:
    members: dict[str, list[str]] = {}
    for member in archive.namelist():
        if member.startswith("adapters/"):
            name, _, relative = member.removeprefix("adapters/").partition("/")
            if not NAME.fullmatch(name) or not FILE.fullmatch(relative):
                raise BackupError(f"{file} is damaged or was not written by Tutee.", member)
            members.setdefault(name, []).append(relative)
    for name, files in members.items():

        def save(folder: Path, name: str = name, files: list[str] = files) -> None:
            for relative in files:
                target = folder / relative
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(archive.read(f"adapters/{name}/{relative}"))

        if not artifacts.exists(name):
            artifacts.write(name, save)
        elif any((artifacts.path(name) / each).read_bytes() != archive.read(f"adapters/{name}/{each}") for each in files):
            raise BackupError(f"The store has another {name} already. Restore into a new folder or bucket.")
    return len(members)


@contextmanager
def _written(file: Path) -> Iterator[zipfile.ZipFile]:
    try:
        descriptor, unfinished = tempfile.mkstemp(prefix=f".{file.name}-", dir=file.parent)  # for nobody else's eyes
        try:
            with os.fdopen(descriptor, "wb") as target:
                with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
                    yield archive
                target.flush()
                os.fsync(target.fileno())
            Path(unfinished).rename(file)
        finally:
            Path(unfinished).unlink(missing_ok=True)
    except OSError as error:
        raise BackupError(f"The back-up {file} cannot be written: {error.strerror or type(error).__name__}.", str(error)) from error


@contextmanager
def _opened(file: Path) -> Iterator[zipfile.ZipFile]:
    try:
        with zipfile.ZipFile(file) as archive:
            yield archive
    except (OSError, zipfile.BadZipFile, KeyError, ValueError) as error:
        raise BackupError(f"{file} cannot be read, or is no back-up of Tutee: {error}.", type(error).__name__) from error
