"""The picture of progress and the cards of versions, whatever there is to show."""

from __future__ import annotations

import io
import warnings
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from matplotlib.image import imread

from bot import cards, texts
from bot.pictures import progress_picture
from bot.platforms.discord import rendering
from storage.records import AdapterRecord, LessonRecord, UserRecord
from tests.fakes.discord import limits

NOW = datetime(2026, 1, 1, tzinfo=UTC)
ADA = UserRecord(1, "ada", None, NOW)
VERSION = AdapterRecord(1, 1, 1, "user-1-v1", None, "lesson 1", (1,), "pocket", {"before": 0.0, "after": 1.0, "earlier_kept": 1.0}, NOW, NOW)
LESSON = LessonRecord(
    id=1, user_id=1, number=1, kind="instruction", text="The cat is Miso.", source=None, state="live", stage=None,
    reason=None, attempts=1, dedupe_key="k", version="user-1-v1", metrics=None, conversation_id=1, platform="discord",
    channel="you", progress_message_id=None, created_at=NOW, started_at=None, finished_at=None,
)  # fmt: skip


def version(number: int, known: range, **changes: object) -> AdapterRecord:
    return replace(VERSION, id=number, number=number, name=f"user-1-v{number}", lesson_ids=tuple(known), **changes)  # type: ignore[arg-type]  # fields of the record


def taught(count: int) -> list[LessonRecord]:
    return [replace(LESSON, id=each, number=each, version=f"user-1-v{each}", text="*A* `long` fact. " * 50) for each in range(1, count + 1)]


def pixels(picture: bytes) -> bytes:
    return bytes(imread(io.BytesIO(picture), format="png").tobytes())


@pytest.mark.parametrize("count", [1, 2, 60])
def test_any_number_of_versions_can_be_drawn(count: int) -> None:
    versions = [version(each, range(1, each + 1)) for each in range(1, count + 1)]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        picture = progress_picture(versions, taught(count), f"user-1-v{count}")
    height, width, _ = imread(io.BytesIO(picture), format="png").shape
    assert (width, height) == (1024, 704) and len(picture) < 200_000


def test_the_picture_shows_which_version_is_live_which_are_deleted_and_how_the_answers_were() -> None:
    versions = [version(1, range(1, 2)), version(2, range(1, 3))]
    drawn = [
        progress_picture(versions, taught(2), "user-1-v2"),
        progress_picture(versions, taught(2), "user-1-v1"),
        progress_picture([replace(versions[0], removed_at=NOW), versions[1]], taught(2), "user-1-v2"),
        progress_picture([versions[0], replace(versions[1], metrics={"before": 0.2, "after": 0.7, "earlier_kept": 0.5})], taught(2), "user-1-v2"),
        progress_picture([versions[0], replace(versions[1], metrics={"known": 0.9, "kept": 0.9})], taught(1), "user-1-v2"),
        progress_picture([replace(each, metrics={}) for each in versions], taught(2), "user-1-v2"),
    ]
    assert len(set(map(pixels, drawn))) == len(drawn)


def test_the_same_model_is_drawn_the_same() -> None:
    assert progress_picture([VERSION], [LESSON], None) == progress_picture([VERSION], [LESSON], None)


def test_a_card_says_what_made_a_version_and_what_came_of_it() -> None:
    second = version(2, range(1, 3), metrics={"before": 0.25, "after": 1.0, "earlier_kept": 0.5})
    shown = cards.model(ADA, second, [VERSION, second], [LESSON, replace(LESSON, id=2, number=2, version="user-1-v2")]).cards
    assert [(each.title, each.marked) for each in shown] == [
        ("Version 2 (user-1-v2)", True),
        ("Version 1 (user-1-v1)", False),
        (texts.UNTAUGHT_TITLE, False),
    ]
    assert shown[0].text == (
        "made by lesson 2: The cat is Miso.\nknows lesson 1 and 2\nits questions: 25% right before, 100% with it\nearlier lessons: 50% still known"
    )
    assert [action.command for each in shown for action in each.actions] == ["/rollback 1", "/rollback 0"]


@pytest.mark.parametrize("count", [0, 1, 400])
@pytest.mark.parametrize("step", [1, 2])
def test_the_model_card_keeps_to_discords_limits(count: int, step: int) -> None:
    versions = [version(each, range(1, each + 1, step)) for each in range(1, count + 1)]
    reply = cards.model(ADA, versions[-1] if versions else None, versions, taught(count), b"PNG" if versions else None)
    (part,) = rendering.parts(reply)[-1:]
    view = part.to_send().get("view")
    components = view.to_components() if view else []
    flags = limits.IS_V2 if part.cards else 0
    assert limits.problems("create_message", {"components": components, "content": "" if part.cards else part.text, "flags": flags,
                                              "allowed_mentions": {"parse": []}, "attachments": [{"id": 0, "filename": texts.FILE_OF_PROGRESS}]},
                           {"files[0]": b"PNG"}) == []  # fmt: skip
