"""What moderation refuses is on record with its category, and backends that are combined are all asked, on the real pipeline."""

from __future__ import annotations

import json
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from storage.records import LessonRecord
from tests.small_web import SmallWeb, send, small_web
from tests.tiny_models import save_tiny_model
from tests.trainer_fixtures import Classroom
from trainer.contracts import Finished, Progress
from trainer.errors import ModeratorUnavailableError
from trainer.lesson import LessonRunner
from trainer.model import BaseModel, load_base
from trainer.moderate import build
from trainer.moderation.protocol import RecordingModerator
from trainer.settings import ModerationSettings

LEARNS: dict[str, Any] = {"max_epochs": 2, "rate": 1e-2, "pass_mark": 0.0, "keep_mark": 0.0}


@pytest.fixture(scope="module")
def tiny_base(tmp_path_factory: pytest.TempPathFactory) -> BaseModel:
    folder = save_tiny_model(tmp_path_factory.mktemp("tiny"))
    return load_base(str(folder), pocket_path=folder)


def on_record(classroom: Classroom, lesson: LessonRecord) -> set[tuple[bool, str | None]]:
    """Of every stored example: whether it was refused, and as what."""
    examples = classroom.repositories.lessons.examples(lesson.id)
    return {(example.refused_category is not None, example.refused_category) for example in examples}


def test_a_lesson_whose_every_example_is_refused_keeps_them_with_their_category(tiny_base: BaseModel, tmp_path: Path) -> None:
    moderator = RecordingModerator(lambda text: "?" in text)  # the lesson passes, no question about it does
    classroom = Classroom(tmp_path, tiny_base, moderator=moderator, **LEARNS)
    lesson = classroom.teach()
    assert lesson.state == "rejected"
    assert lesson.reason == "Moderation refused what I could have learned from this lesson (harassment)."
    assert on_record(classroom, lesson) == {(True, "harassment")}
    assert classroom.events[-1] == Finished(lesson.id, 1, refused=("harassment",))
    assert classroom.repositories.adapters.of_user(1) == ()


class Guards:
    """OpenAI's moderation endpoint and a judge on loopback; ``away``: the judge answers 503."""

    def __init__(self, web: SmallWeb) -> None:
        self.away = False
        self.judged = 0
        web.pages |= {"/v1/moderations": self._moderates, "/v1/chat/completions": self._judges}
        self.settings = ModerationSettings(
            backends=("local", "openai", "judge"), openai_key="k", openai_url=web.url("/v1"), judge_url=web.url("/v1"), judge_model="judge-1"
        )

    def _moderates(self, handler: BaseHTTPRequestHandler) -> None:
        inputs = json.loads(handler.rfile.read(int(handler.headers["Content-Length"])))["input"]
        clean = {"flagged": False, "categories": {"hate": False}, "category_scores": {"hate": 0.0}}
        send(handler, json.dumps({"id": "m", "model": "omni", "results": [clean for _ in inputs]}).encode(), media_type="application/json")

    def _judges(self, handler: BaseHTTPRequestHandler) -> None:
        asked = json.loads(handler.rfile.read(int(handler.headers["Content-Length"])))["messages"][-1]["content"]
        self.judged += 1
        reply = "unsafe: bias" if "frightens" in asked else "safe"
        choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": reply}}
        body = {"id": "c", "object": "chat.completion", "created": 1, "model": "judge-1", "choices": [choice]}
        send(handler, json.dumps(body).encode(), media_type="application/json", status=503 if self.away else 200)


def test_combined_backends_are_all_asked_and_a_lesson_waits_for_the_one_that_is_away(tiny_base: BaseModel, tmp_path: Path) -> None:
    with small_web() as web:
        guards = Guards(web)
        classroom = Classroom(tmp_path, tiny_base, moderator=build(guards.settings), **LEARNS)
        guards.away = True
        lesson = classroom.create()
        with pytest.raises(ModeratorUnavailableError):
            LessonRunner(classroom.tools).run(lesson.id)
        assert classroom.row(lesson).state == "running"
        waits = [event.note for event in classroom.events if isinstance(event, Progress) and event.note]
        assert waits == ["The model that judges lessons did not answer, so nothing was learned yet. It will be tried again."]
        guards.away = False
        assert LessonRunner(classroom.tools).run(lesson.id) == "live"
        assert web.asked.count("/v1/moderations") >= 2 and guards.judged > 2
        assert on_record(classroom, lesson) == {(False, None), (True, "bias")}
        assert classroom.events[-1] == Finished(lesson.id, 1, refused=("bias",))
