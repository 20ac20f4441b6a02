"""Everything of a user's, written out or deleted."""

from __future__ import annotations

import asyncio
import io
import json
import shutil
import zipfile
from collections.abc import Iterable
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from bot import texts
from bot.app import App
from bot.errors import ExportFailed
from bot.messages import Attachment, Notice
from bot.rebuilds import remove_versions
from storage.errors import ArtifactError
from storage.paused import Paused
from storage.records import UserRecord


def export(app: App, user: UserRecord, directory: str | None, now: datetime) -> Notice:
    """Write the user's rows as JSON lines and the live adapter's files into a new folder, and say where it is.

    None: a folder of our own in the data folder. Raises ExportFailed.
    """
    ours = _exports(app) / f"user-{user.id}-{now:%Y%m%d-%H%M%S}"
    folder = Path(directory).expanduser().resolve() if directory else ours
    try:
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise ExportFailed(texts.export_not_empty(str(folder)))
        folder.mkdir(parents=True, exist_ok=True)
        _write_rows(app, user, folder)
        _write_model(app, user, folder)
    except (OSError, ArtifactError) as error:
        why = (error.strerror or type(error).__name__) if isinstance(error, OSError) else error.user_message
        raise ExportFailed(texts.export_failed(str(folder), why.rstrip(".").lower())) from error
    return Notice(texts.exported(str(folder)))


def package(app: App, user: UserRecord, limit: int) -> Notice:
    """The same as one file to send, at most `limit` bytes; without the adapter's files where they make it too big.

    Raises ExportFailed.
    """
    with TemporaryDirectory() as place:
        folder = Path(place) / "export"
        folder.mkdir()
        try:
            _write_rows(app, user, folder)
            rows = _zip(folder)
            _write_model(app, user, folder)
            everything = _zip(folder)
        except (OSError, ArtifactError) as error:
            why = (error.strerror or type(error).__name__) if isinstance(error, OSError) else error.user_message
            raise ExportFailed(texts.export_not_packed(why.rstrip(".").lower())) from error
    whole = len(everything) <= limit
    text = texts.EXPORT_READY if whole else texts.EXPORT_WITHOUT_MODEL
    file = Attachment(texts.FILE_OF_EXPORT, everything if whole else rows)
    return Notice(text, owner=user.id, private=True, files=(file,))


async def delete(app: App, user: UserRecord) -> None:
    """Stop the user's lessons and delete every row, adapter file and export of theirs; their name is free for a new beginning.

    Exports that they had written elsewhere are their own.
    What cannot be deleted right now, or is interrupted, is swept up later: see bot/sweeper.py.
    """
    for lesson in await asyncio.to_thread(app.repositories.lessons.unfinished_of_user, user.id):
        await asyncio.to_thread(app.queue.cancel_lesson, lesson.id)
    for rebuild in await asyncio.to_thread(app.repositories.rebuilds.unfinished_of_user, user.id):
        await asyncio.to_thread(app.queue.cancel_rebuild, rebuild.id)
        await asyncio.to_thread(Paused(app.artifacts.root).drop, rebuild.id)
    # Rows go first: from then on nobody is answered by these versions, so the engine can let go of them, and then the files can go.
    await remove_versions(app, await asyncio.to_thread(app.repositories.users.delete, user.id))
    await asyncio.to_thread(_delete_exports, app, user)


def _exports(app: App) -> Path:
    return app.settings.data / "exports"


def _delete_exports(app: App, user: UserRecord) -> None:
    for folder in _exports(app).glob(f"user-{user.id}-*"):
        shutil.rmtree(folder, ignore_errors=True)


def _zip(folder: Path) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(folder.rglob("*")):
            archive.write(path, path.relative_to(folder))
    return packed.getvalue()


def _write_model(app: App, user: UserRecord, folder: Path) -> None:
    """The live version's files, with a card that says what it is and a script that answers as it does."""
    live = app.repositories.adapters.live(user.id)
    if live is None:
        return
    shutil.copytree(app.artifacts.path(live.name), folder / live.name)
    known = [each for each in app.repositories.lessons.of_user(user.id) if each.id in live.lesson_ids]
    script = texts.answer_script(live.name, app.settings.chat.system_prompt, app.settings.engine.max_answer_tokens)
    (folder / "answer.py").write_text(script, encoding="utf-8")
    (folder / "README.md").write_text(texts.model_card(live, known), encoding="utf-8")


def _write_rows(app: App, user: UserRecord, folder: Path) -> None:
    stored = app.repositories
    lessons = stored.lessons.of_user(user.id)
    examples = [{"lesson": each.number, **asdict(example)} for each in lessons for example in stored.lessons.examples(each.id)]
    _write(folder / "user.jsonl", [{**asdict(user), "consents": [asdict(each) for each in stored.users.consents(user.id)]}])
    _write(folder / "lessons.jsonl", map(asdict, lessons))
    _write(folder / "examples.jsonl", examples)
    parts = [{"lesson": each.number, **asdict(part)} for each in lessons for part in stored.sources.parts(each.id)]
    _write(folder / "parts.jsonl", parts)
    _write(folder / "versions.jsonl", map(asdict, stored.adapters.of_user(user.id)))
    _write(folder / "exchanges.jsonl", map(asdict, stored.exchanges.of_user(user.id)))
    _write(folder / "rebuilds.jsonl", map(asdict, stored.rebuilds.of_user(user.id)))
    _write(folder / "feedback.jsonl", map(asdict, stored.feedback.of_user(user.id)))


def _write(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    with path.open("w", encoding="utf-8") as file:
        file.writelines(json.dumps(row, ensure_ascii=False, default=str) + "\n" for row in rows)
