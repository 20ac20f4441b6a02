"""`python -m tests.killed_lesson FOLDER MODEL LESSON`: a real process that learns a document and waits, for its death, at the fourth part."""

from __future__ import annotations

import sys
import threading
from dataclasses import replace
from pathlib import Path

from tests.reading_teacher import reading_teacher
from tests.trainer_fixtures import Classroom
from trainer.contracts import Event, Progress
from trainer.lesson import LessonRunner
from trainer.model import load_base
from trainer.study import Study


def wait_at_part_four(event: Event) -> None:
    if isinstance(event, Progress) and event.note and event.note.startswith("writing examples, part 4"):
        sys.stdout.write("at part 4\n")
        sys.stdout.flush()
        threading.Event().wait()


if __name__ == "__main__":
    folder, model, lesson_id = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
    classroom = Classroom(folder, load_base(str(model), pocket_path=model), teacher=reading_teacher())
    LessonRunner(replace(classroom.tools, publish=wait_at_part_four), {"document": Study}).run(lesson_id)
