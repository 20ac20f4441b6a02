"""Trains a user's model afresh from the lesson log: on demand, at night, and without a lesson that is to be forgotten.

The weights are kept now and then, so that a rebuild whose process was killed goes on with them, if the log still says the very same.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Sequence
from dataclasses import replace
from random import Random

from storage.paused import Paused
from storage.records import AdapterRecord, ExampleRecord, RebuildMetrics, RebuildOutcome, RebuildRecord, TaughtLesson
from trainer.contracts import Rebuilding, Rebuilt, Stage
from trainer.errors import LessonCancelledError, ModeratorUnavailableError, TeacherUnavailableError
from trainer.examine import Report, examine
from trainer.examples import says_unknown
from trainer.lesson import ENOUGH, REPLAYED_QUESTIONS
from trainer.publish import publish
from trainer.rehearsal import answerable, chat_samples, liked_samples, samples_of
from trainer.taught import passages_of, quiz_of, settled
from trainer.teacher import LocalTeacher, Teacher
from trainer.train import Sample, Trainer
from trainer.workbench import Tools

log = logging.getLogger(__name__)

BEGINS: dict[Stage, int] = {"queued": 0, "read": 1, "train": 10, "check": 92, "live": 100}
PATIENCE = 3  # times the epochs of a lesson: everything is learned from nothing
MOST_CHAT = 40  # messages of ordinary chat at most; about one for each lesson keeps them in proportion
KEPT_EVERY = 30.0  # seconds; a small model is done before
ASKED_WHILE_TRAINING = 60  # questions of the quiz at most; the examination at the end asks all


class RebuildRunner:
    """Runs rebuilds in this process. Safe to run twice: nobody is answered by anything of a rebuild until it goes live."""

    def __init__(self, tools: Tools) -> None:
        self._tools = tools

    def run(self, rebuild_id: int) -> RebuildOutcome:
        """Take a rebuild to its end; gives how it ended.

        Raises what can be tried again (teacher unreachable, StaleVersionError) and what is a fault of ours.
        """
        run = _Run(self._tools, self._tools.repositories.rebuilds.start(rebuild_id))
        try:
            return run.through()
        except LessonCancelledError:
            return run.end("cancelled")
        except (ModeratorUnavailableError, TeacherUnavailableError) as error:
            run.tell(BEGINS[run.stage], error.user_message)
            raise


class _Run:
    """One run of one rebuild."""

    def __init__(self, tools: Tools, rebuild: RebuildRecord) -> None:
        self.tools, self.rebuild = tools, rebuild
        self.system = tools.settings.chat.system_prompt
        self.stage: Stage = "queued"
        self.began = self.kept_at = tools.clock()
        self.paused = Paused(tools.artifacts.root)

    def through(self) -> RebuildOutcome:
        """All stages, in order."""
        self.enter("read")
        repositories, forgets = self.tools.repositories, self.rebuild.forgets
        live = repositories.adapters.live(self.rebuild.user_id)
        log_now = settled([each for each in repositories.lessons.taught(self.rebuild.user_id) if each.lesson.id != forgets])
        gone = self.forgotten_quiz(log_now)
        if forgets is not None and (live is None or forgets not in live.lesson_ids):
            return self.forgotten_already(gone, live)
        if not log_now:
            return self.end("failed", "There is no lesson to rebuild your model from.")
        return self.rebuilt(log_now, gone, live)

    def forgotten_already(self, gone: Sequence[ExampleRecord], live: AdapterRecord | None) -> RebuildOutcome:
        """The lesson leaves the log; what answers now never knew it, which is examined all the same."""
        self.enter("check")
        metrics = self.metrics(self.known_before(gone), self.asked_of(live, gone), None, (), 0)
        self.stop_if_cancelled()
        self.tools.repositories.rebuilds.forget(self.rebuild.id, live.name if live else None, metrics)
        return self.end("live")

    def rebuilt(self, taught: Sequence[TaughtLesson], gone: Sequence[ExampleRecord], live: AdapterRecord | None) -> RebuildOutcome:
        """Train from nothing, examine, and publish or refuse."""
        tools, quiz = self.tools, quiz_of(taught)
        settings = replace(tools.settings.lesson, max_epochs=PATIENCE * tools.settings.lesson.max_epochs)
        asked = Random(settings.seed).sample(quiz, min(len(quiz), ASKED_WHILE_TRAINING))
        known_before, had, had_asked = self.known_before(gone), self.answers_of(live, quiz), self.answers_of(live, asked)
        samples = self.samples(taught)
        self.enter("train")
        digest = _digest(samples, tools.base.name, settings.rank)
        with Trainer(tools.base, settings, self.paused.find(self.rebuild.id, digest), samples, tools.group) as trainer:
            trainer.run(lambda: self.knows(trainer.student, asked, had_asked), lambda done, most: self.on_epoch(done, most, trainer, digest))
            self.enter("check")
            has = examine(trainer.student, quiz, self.system)
            kept = has.kept_of(had) if had else has.known
            if self.rebuild.forgets is None and kept < settings.keep_mark:
                return self.end("failed", "The new version would have known less of your lessons than the one you have.")
            known_after = examine(trainer.student, gone, self.system).known if gone else None
            metrics = self.metrics(known_before, known_after, kept, taught, len(samples))
            self.stop_if_cancelled()
            publish(
                tools.repositories,
                tools.artifacts,
                trainer.save,
                user_id=self.rebuild.user_id,
                cause="rebuild" if self.rebuild.number is None else f"forgetting lesson {self.rebuild.number}",
                lesson_ids=[each.lesson.id for each in taught],
                parent=live,
                base_model=tools.base.name,
                metrics={"known": has.known, "kept": kept},
                rebuild_id=self.rebuild.id,
                rebuild_metrics=metrics,
            )
        return self.end("live")

    def samples(self, taught: Sequence[TaughtLesson]) -> list[Sample]:
        """Everything in the log, and ordinary chat as the base answers it."""
        settings = self.tools.settings.lesson
        told = {each.lesson.id: passages_of(each) for each in taught}
        samples: list[Sample] = []
        for each in taught:
            others = [passage for lesson_id, passages in told.items() if lesson_id != each.lesson.id for passage in passages]
            near = [example.question for example in each.examples if example.role == "neighbour"]
            now_known = answerable(near, others, self.tools.teacher)
            kept = [e for e in each.examples if e.role == "train" or (e.role == "neighbour" and e.question not in now_known)]
            samples += samples_of(each, kept, self.tools)
            self.stop_if_cancelled()
        liked = liked_samples(self.tools, self.rebuild.user_id, [example for each in taught for example in each.examples])
        chat = chat_samples(self.tools, Random(settings.seed), min(MOST_CHAT, max(REPLAYED_QUESTIONS, len(taught))))
        return [*samples, *liked, *chat]

    def forgotten_quiz(self, kept: Sequence[TaughtLesson]) -> list[ExampleRecord]:
        """The questions of the lesson to be forgotten, held-out ones and those it was trained with, less those that other lessons answer."""
        if self.rebuild.forgets is None:
            return []
        examples = [e for e in self.tools.repositories.lessons.examples(self.rebuild.forgets) if e.refused_category is None]
        others = {example.question for each in kept for example in each.examples}
        quiz = [e for e in examples if e.role == "quiz" and not says_unknown(e.answer) and e.question not in others]
        return quiz or [e for e in examples if e.role == "train" and e.question not in others][:12]

    def known_before(self, gone: Sequence[ExampleRecord]) -> float | None:
        """Share of the forgotten lesson's questions that the newest version with it answers; None where it cannot be asked."""
        if not gone:
            return None
        versions = self.tools.repositories.adapters.of_user(self.rebuild.user_id)
        knew = [each for each in versions if self.rebuild.forgets in each.lesson_ids and each.published_at]
        report = self.answers_of(knew[-1], gone) if knew else None
        return report.known if report else None

    def asked_of(self, version: AdapterRecord | None, quiz: Sequence[ExampleRecord]) -> float | None:
        """Share of the quiz that a version (None: the base model) answers; None where it cannot be asked."""
        if not quiz:
            return None
        report = self.answers_of(version, quiz) if version else examine(LocalTeacher(self.tools.base, self.tools.group), quiz, self.system)
        return report.known if report else None

    def answers_of(self, version: AdapterRecord | None, quiz: Sequence[ExampleRecord]) -> Report | None:
        """How a version answers the quiz; None for the base model, and for a version that cannot be loaded on it (any more)."""
        if version is None or version.base_model != self.tools.base.name:
            return None
        try:
            with Trainer(self.tools.base, self.tools.settings.lesson, self.tools.artifacts.path(version.name), [], self.tools.group) as trainer:
                return examine(trainer.student, quiz, self.system)
        except Exception as error:  # that its files are damaged may be why the model is rebuilt
            log.warning("a version could not be examined, version=%s error=%s", version.name, error)
            return None

    def knows(self, student: Teacher, quiz: Sequence[ExampleRecord], had: Report | None) -> bool:
        """Whether more training would only cost time."""
        self.stop_if_cancelled()
        has = examine(student, quiz, self.system)
        return (has.kept_of(had) if had else has.known) >= max(ENOUGH, self.tools.settings.lesson.keep_mark)

    def metrics(self, before: float | None, after: float | None, kept: float | None, taught: Sequence[TaughtLesson], examples: int) -> RebuildMetrics:
        return RebuildMetrics(before, after, kept, len(taught), examples, self.tools.clock() - self.began)

    def enter(self, stage: Stage) -> None:
        """Begin a stage: recorded in the row, told to whoever watches."""
        self.stop_if_cancelled()
        self.stage = stage
        self.tools.repositories.rebuilds.enter_stage(self.rebuild.id, stage)
        self.tell(BEGINS[stage])

    def on_epoch(self, done: int, most: int, trainer: Trainer, digest: str) -> None:
        """Training usually ends by the quiz after about a third of the epochs it may take."""
        self.stop_if_cancelled()
        if self.tools.clock() - self.kept_at >= KEPT_EVERY:
            self.paused.keep(self.rebuild.id, digest, trainer.save)
            self.kept_at = self.tools.clock()
        share = min(0.95, done / (0.4 * most))
        self.tell(int(BEGINS["train"] + share * (BEGINS["check"] - BEGINS["train"])))

    def tell(self, percent: int, note: str | None = None) -> None:
        spent = self.tools.clock() - self.began
        left = spent * (100 - percent) / percent if percent > BEGINS["train"] else None
        self.tools.publish(Rebuilding(self.rebuild.id, self.rebuild.user_id, self.stage, percent, left, note))

    def stop_if_cancelled(self) -> None:
        if self.tools.cancelled(self.rebuild.id):
            raise LessonCancelledError("Cancelled.")

    def end(self, state: RebuildOutcome, reason: str | None = None) -> RebuildOutcome:
        """Record the end, unless going live has done so, and tell it."""
        if state == "live":
            self.stage = "live"
            self.tell(100)
        else:
            self.tools.repositories.rebuilds.finish(self.rebuild.id, state, reason=reason)
        self.paused.drop(self.rebuild.id)
        self.tools.publish(Rebuilt(self.rebuild.id, self.rebuild.user_id))
        seconds = self.tools.clock() - self.began
        log.info("a rebuild ended, rebuild=%s user=%s state=%s seconds=%.1f", self.rebuild.id, self.rebuild.user_id, state, seconds)
        return state


def _digest(samples: Sequence[Sample], base: str, rank: int) -> str:
    """The same for the very same training."""
    return hashlib.sha256(repr((base, rank, samples)).encode()).hexdigest()[:32]
