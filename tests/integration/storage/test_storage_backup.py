"""A back-up brings everything back, on whatever kind of database and store."""

from __future__ import annotations

import json
import stat
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql
from sqlalchemy import MetaData, select

from storage.artifacts import Artifacts, ArtifactStore
from storage.backup import back_up, restore
from storage.bucket import BucketStore
from storage.errors import BackupError
from storage.repositories import Repositories
from storage.session import Database
from tests.buckets import S3
from tests.services import tutee
from tests.storage_fixtures import postgres, propose, teach

_count = iter(range(1000))


def save(folder: Path) -> None:
    (folder / "adapter_config.json").write_text("{}")
    (folder / "adapter_model.safetensors").write_bytes(b"\x01" * 1000)


@pytest.fixture
def lived_in(database: Database, tmp_path: Path) -> tuple[Database, Artifacts]:
    """A database that people have used: with a live version, one that was removed, a user who deleted everything, odd words."""
    on, artifacts = Repositories.on(database), ArtifactStore(tmp_path / "adapters")
    ada = on.users.identify("discord", "1001", "Ada 👍 'quoted'")
    parent = None
    for number in (1, 2):
        lesson = teach(on, ada, f"e{number}")
        version = propose(on, ada, lesson, parent=parent)
        artifacts.write(version.name, save)
        parent = on.adapters.publish(version.id, parent).name
    exchange, _ = on.exchanges.receive(ada.id, on.conversations.current(ada.id, "discord", "dm").id, "discord", "m1", "What is 東京?\n")
    on.exchanges.answer(exchange.id, "A city.", parent, 1.5)
    gone = on.users.identify("discord", "1002", "Bob")
    on.users.delete(gone.id)
    return database, artifacts


@pytest.fixture(params=["sqlite", "postgresql"])
def empty(request: pytest.FixtureRequest, tmp_path: Path) -> Database:
    """A database that nobody has used."""
    if request.param == "sqlite":
        return Database(f"sqlite:///{tmp_path / 'restored' / 'tutee.db'}")
    name = f"restored_{next(_count)}"
    with psycopg.connect(postgres().get_uri(), autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    return Database(postgres().get_uri(database=name))


def content(database: Database) -> dict[str, list[dict[str, Any]]]:
    """Every row, whatever the database, times without their zone."""
    metadata = MetaData()
    metadata.reflect(database.engine)
    found = {}
    with database.engine.connect() as connection:
        for name, table in metadata.tables.items():
            rows = connection.execute(select(table).order_by(*table.primary_key.columns)).mappings()
            found[name] = [{key: str(value).removesuffix("+00:00") for key, value in row.items()} for row in rows]
    return found


def test_everything_is_back_on_any_database_and_store(lived_in: tuple[Database, Artifacts], empty: Database, tmp_path: Path, s3: S3) -> None:
    database, artifacts = lived_in
    bucket = BucketStore(f"s3://{s3.bucket()}/x", tmp_path / "cache", endpoint=s3.endpoint)

    saved = back_up(database, artifacts, tmp_path / "tutee.zip")
    (tmp_path / "restored").mkdir()
    restored = restore(empty, bucket, tmp_path / "tutee.zip")

    assert (saved.rows, saved.adapters, saved.missing) == (restored.rows, restored.adapters, ()) and saved.adapters == 2
    assert content(empty) == content(database)
    assert bucket.names() == ("user-1-v1", "user-1-v2")
    assert (bucket.path("user-1-v2") / "adapter_model.safetensors").read_bytes() == b"\x01" * 1000
    on = Repositories.on(empty)
    live = on.adapters.live(1)
    assert live is not None and live.name == "user-1-v2"
    empty.close()


def test_what_was_given_out_before_is_never_given_out_again(lived_in: tuple[Database, Artifacts], empty: Database, tmp_path: Path) -> None:
    database, artifacts = lived_in
    back_up(database, artifacts, tmp_path / "tutee.zip")
    (tmp_path / "restored").mkdir()
    restore(empty, ArtifactStore(tmp_path / "restored" / "adapters"), tmp_path / "tutee.zip")

    on = Repositories.on(empty)
    assert on.users.identify("discord", "1003", "Cleo").id == 3, "Bob was 2"
    ada = on.users.find("discord", "1001")
    assert ada is not None and propose(on, ada).name == "user-1-v3"
    assert teach(on, ada, "e3").number == 3
    empty.close()


def test_a_back_up_is_for_nobody_elses_eyes_and_never_overwritten(lived_in: tuple[Database, Artifacts], tmp_path: Path) -> None:
    file = tmp_path / "tutee.zip"
    back_up(*lived_in, file)

    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    with pytest.raises(BackupError, match="exists already"):
        back_up(*lived_in, file)
    with pytest.raises(BackupError, match="cannot be written"):
        back_up(*lived_in, tmp_path / "no folder" / "tutee.zip")
    assert [each.name for each in tmp_path.glob("*.zip*")] == ["tutee.zip"] and not list(tmp_path.glob(".tutee.zip*"))


def test_missing_files_are_named(lived_in: tuple[Database, Artifacts], tmp_path: Path) -> None:
    database, artifacts = lived_in
    artifacts.delete("user-1-v1")

    assert back_up(database, artifacts, tmp_path / "tutee.zip").missing == ("user-1-v1",)


def test_a_database_in_use_is_not_restored_into(lived_in: tuple[Database, Artifacts], tmp_path: Path) -> None:
    back_up(*lived_in, tmp_path / "tutee.zip")
    before = content(lived_in[0])

    with pytest.raises(BackupError, match="not empty"):
        restore(*lived_in, tmp_path / "tutee.zip")

    assert content(lived_in[0]) == before


def test_a_restore_that_was_cut_short_can_be_repeated(lived_in: tuple[Database, Artifacts], tmp_path: Path) -> None:
    back_up(*lived_in, tmp_path / "tutee.zip")
    database, store = Database(f"sqlite:///{tmp_path / 'again.db'}"), ArtifactStore(tmp_path / "again")
    store.write("user-1-v1", save)  # so far it had come
    database.upgrade()

    assert restore(database, store, tmp_path / "tutee.zip").adapters == 2
    assert store.names() == ("user-1-v1", "user-1-v2")


def _spoiled(file: Path, change: Callable[[zipfile.ZipFile, zipfile.ZipFile], None]) -> None:
    spoiled = file.with_suffix(".spoiled")
    with zipfile.ZipFile(file) as old, zipfile.ZipFile(spoiled, "w") as new:
        change(old, new)
    spoiled.replace(file)


@pytest.mark.parametrize("member", ["adapters/../../escaped", "adapters/user-1-v1/../../../escaped", "adapters/user-1-v1//etc/escaped"])
def test_a_forged_back_up_writes_nothing_elsewhere(lived_in: tuple[Database, Artifacts], tmp_path: Path, member: str) -> None:
    file = tmp_path / "tutee.zip"
    back_up(*lived_in, file)

    def forge(old: zipfile.ZipFile, new: zipfile.ZipFile) -> None:
        new.writestr("tutee.json", old.read("tutee.json"))
        new.writestr(member, b"x")

    _spoiled(file, forge)

    with pytest.raises(BackupError, match="damaged"):
        restore(Database(f"sqlite:///{tmp_path / 'r.db'}"), ArtifactStore(tmp_path / "r"), file)
    assert not list(tmp_path.rglob("escaped"))


@pytest.mark.parametrize("bytes_", [b"", b"PK not a zip", b"{}"], ids=["empty", "broken", "json"])
def test_what_is_no_back_up_is_said_so(tmp_path: Path, bytes_: bytes) -> None:
    file = tmp_path / "other.zip"
    file.write_bytes(bytes_)
    with pytest.raises(BackupError, match="no back-up"):
        restore(Database(f"sqlite:///{tmp_path / 'r.db'}"), ArtifactStore(tmp_path / "r"), file)


def test_a_back_up_of_a_newer_format_is_refused_in_words(lived_in: tuple[Database, Artifacts], tmp_path: Path) -> None:
    file = tmp_path / "tutee.zip"
    back_up(*lived_in, file)
    _spoiled(file, lambda old, new: new.writestr("tutee.json", json.dumps({**json.loads(old.read("tutee.json")), "format": 2})))
    with pytest.raises(BackupError, match="another version"):
        restore(Database(f"sqlite:///{tmp_path / 'r.db'}"), ArtifactStore(tmp_path / "r"), file)


def test_the_commands(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'one' / 'tutee.db'}")
    database.upgrade()
    Repositories.on(database).users.identify("terminal", "you", "you")
    database.close()
    file = str(tmp_path / "tutee.zip")

    saved = tutee("backup", file, "--data", str(tmp_path / "one"))
    back = tutee("restore", file, "--data", str(tmp_path / "two"))
    again = tutee("restore", file, "--data", str(tmp_path / "two"))

    assert (saved.returncode, saved.stdout, saved.stderr) == (0, f"{file}: 2 rows and 0 adapters.\n", "")
    assert back.returncode == 0 and "can be started" in back.stdout
    assert again.returncode == 1 and "not empty" in again.stderr
    assert Repositories.on(Database(f"sqlite:///{tmp_path / 'two' / 'tutee.db'}")).users.find("terminal", "you") is not None
