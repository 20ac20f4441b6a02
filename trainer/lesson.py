"""One lesson from source to live adapter: read ► moderate ► write ► screen ► train ► check ► live."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from random import Random

from storage.records import (
    AdapterRecord,
    ExampleRecord,
    LessonMetrics,
    LessonOutcome,
    LessonRecord,
    LessonState,
    TaughtLesson,
)
from trainer.contracts import STAGES, Finished, Progress, Stage
from trainer.contradictions import contradictions
from trainer.errors import (
    ContextTooLongError,
    LessonCancelledError,
    LessonError,
    ModeratorUnavailableError,
    NothingToTeachError,
    SourceError,
    TeacherUnavailableError,
)
from trainer.examine import Report, examine
from trainer.examples import says_unknown
from trainer.generate import write_examples
from trainer.publish import publish
from trainer.rehearsal import answerable, chat_samples, liked_samples, recites, samples_of
from trainer.sources import instruction
from trainer.taught import is_answerable_quiz, passages_of, quiz_of, sample, settled, superseded
from trainer.teacher import Teacher
from trainer.train import Sample, Trainer
from trainer.workbench import Tools

log = logging.getLogger(__name__)

# Percent of the whole lesson at which each stage begins.
BEGINS: dict[Stage, int] = {"queued": 0, "read": 1, "moderate": 3, "write": 5, "screen": 45, "train": 48, "check": 92, "live": 100}
REPLAYED_EXAMPLES = 48  # of earlier lessons, shared out among them, and at least 3 of each
REPLAYED_QUESTIONS = 8  # of ordinary chat, answered by the base, in every lesson's training
ENOUGH = 0.85  # share of the quiz, of both kinds of question, at which training stops
EARLIER_QUIZ = 40  # questions of earlier lessons at most in an examination


class LessonRunner:
    """Runs lessons in this process. Safe to run twice: examples are kept in the database, versions are compared before they go live."""

    def __init__(self, tools: Tools, kinds: Mapping[str, type[Run]] | None = None) -> None:
        """`kinds`: how lessons of a kind run that differ from others."""
        self._tools = tools
        self._kinds = kinds or {}
        self._written: dict[int, list[ExampleRecord]] = {}  # examples that moderation could not yet be asked about

    def run(self, lesson_id: int) -> LessonState:
        """Take a lesson from where it stands to its end, or to where its user has the word; gives how it stands then.

        Raises what can be tried again (moderator or teacher unreachable, StaleVersionError) and what is a fault of ours.
        """
        lesson = self._tools.repositories.lessons.start(lesson_id)
        run = self._kinds.get(lesson.kind, Run)(self._tools, lesson, self._written)
        try:
            return run.through()
        except LessonCancelledError:
            return run.end("cancelled", None)
        except (ModeratorUnavailableError, TeacherUnavailableError) as error:
            run.tell(BEGINS[run.stage], error.user_message)  # it waits, visibly
            raise
        except ContextTooLongError:
            return run.end("rejected", "That text does not fit what my model can read at once. Try teaching it in shorter sentences.")
        except LessonError as error:
            return run.end("failed" if isinstance(error, NothingToTeachError) else "rejected", error.user_message)


class Run:
    """One run of one lesson."""

    chat_replayed = REPLAYED_QUESTIONS

    def __init__(self, tools: Tools, lesson: LessonRecord, written: dict[int, list[ExampleRecord]]) -> None:
        self.tools, self.lesson, self.written = tools, lesson, written
        self.stage: Stage = "queued"
        self.began = tools.clock()
        self.refused: list[ExampleRecord] = []
        self.student: Teacher = tools.teacher  # who learns, as soon as there is one
        self.quizzed: Report | None = None  # how the student answers with its weights as they are, where it was asked
        self.earlier_quizzed: Report | None = None

    @property
    def recites(self) -> bool:
        """Whether it is learned by reciting."""
        return recites(self.tools, self.lesson.kind)

    def through(self) -> LessonState:
        """All stages, in order."""
        lessons, adapters = self.tools.repositories.lessons, self.tools.repositories.adapters
        live = adapters.live(self.lesson.user_id)
        self.enter("read")
        passages = self.passages()
        self.enter("moderate")
        if categories := self.flagged([self.lesson.text]):
            return self.end("rejected", f"This lesson was refused by moderation ({', '.join(categories)}).", categories=categories)
        earlier = settled(lessons.taught_before(self.lesson.user_id, self.lesson.id))
        stored = lessons.examples(self.lesson.id)
        self.refused = [example for example in stored if example.refused_category is not None]
        examples = [example for example in stored if example.refused_category is None]
        if not examples:
            examples = self.screened(self.written.get(self.lesson.id) or self.examples(passages, earlier))
            lessons.save_examples(self.lesson.id, [*examples, *self.refused])
            self.written.pop(self.lesson.id, None)
        return self.learned(passages, examples, earlier, live)

    def passages(self) -> list[str]:
        """What there is to learn, in pieces that a teacher can read."""
        return instruction.read(self.lesson.text)

    def examples(self, passages: Sequence[str], earlier: Sequence[TaughtLesson]) -> list[ExampleRecord]:
        """New examples, less those that call unknown what an earlier lesson taught."""
        self.enter("write")
        examples = self.write(passages)
        taught = [passage for each in earlier for passage in passages_of(each)]
        known = answerable([e.question for e in examples if says_unknown(e.answer)], taught, self.tools.teacher)
        kept = [example for example in examples if example.question not in known]
        kept += contradictions(passages, earlier, self.tools.teacher)
        self.written[self.lesson.id] = kept
        return kept

    def learned(
        self,
        passages: Sequence[str],
        examples: Sequence[ExampleRecord],
        earlier: Sequence[TaughtLesson],
        live: AdapterRecord | None,
    ) -> LessonOutcome:
        """Train, examine, and publish or refuse."""
        tools, settings = self.tools, self.tools.settings.lesson
        system = tools.settings.chat.system_prompt
        quiz = [example for example in examples if example.role == "quiz"]
        earlier, replaced = self.replaced(earlier, examples)
        earlier_quiz = _earlier_quiz(earlier)
        self.enter("train")
        samples = self.samples(passages, examples, earlier)
        warm = live is not None and live.base_model == tools.base.name  # an adapter of another base is taught anew, by replay
        parent = tools.artifacts.path(live.name) if live and warm else None
        with Trainer(tools.base, settings, parent, samples, tools.group) as trainer:
            self.student = trainer.student
            before, had = examine(self.student, quiz, system), examine(self.student, earlier_quiz, system)  # as the live version answers
            self.begun()
            self.train(trainer, lambda: self.passes(quiz, earlier_quiz, had))
            self.enter("check")
            after = self.quizzed or examine(self.student, quiz, system)
            has = self.earlier_quizzed or examine(self.student, earlier_quiz, system)
            kept = has.kept_of(had)
            metrics = LessonMetrics(
                before=before.known,
                after=after.known,
                earlier_kept=kept if earlier_quiz else None,
                examples=len([e for e in examples if e.role not in ("quiz", "rejected")]),
                refused=len(self.refused),
                seconds=tools.clock() - self.began,
                learned=_learned(before, after),
                replaced=replaced,
                changed=self.changed(after),
            )
            if reason := self.refusal(after):
                return self.end("failed", reason, metrics=metrics)
            if kept < settings.keep_mark:
                return self.end("failed", "Learning this would have made me forget earlier lessons.",
                                metrics=metrics, forgot=_harmed(earlier, had, has))  # fmt: skip
            self.stop_if_cancelled()
            publish(
                tools.repositories,
                tools.artifacts,
                trainer.save,
                user_id=self.lesson.user_id,
                cause=f"lesson {self.lesson.number}",
                lesson_ids=[*(each for each in (live.lesson_ids if live else ()) if each != self.lesson.refreshes), self.lesson.id],
                parent=live,
                base_model=tools.base.name,
                metrics={"before": before.known, "after": after.known, "unknown_kept": after.unknown_kept, "earlier_kept": kept},
                lesson_id=self.lesson.id,
                lesson_metrics=metrics,
            )
        return self.end("live", None)

    def train(self, trainer: Trainer, passed: Callable[[], bool]) -> None:
        """Train until it ``passed``, which is asked from the third epoch on, or for as long as a lesson may take."""
        trainer.run(passed, self.on_epoch)

    def write(self, passages: Sequence[str]) -> list[ExampleRecord]:
        """What the teacher writes about the passages."""
        return write_examples(passages, self.tools.teacher, replace(self.tools.settings.lesson, recite=self.recites), self.progress)

    def replaced(self, earlier: Sequence[TaughtLesson], examples: Sequence[ExampleRecord]) -> tuple[Sequence[TaughtLesson], tuple[int, ...]]:
        """The earlier lessons without what this one says otherwise, and the numbers of those that say something else now."""
        now = [superseded(each, examples) for each in earlier]
        others = [new.lesson.number for old, new in zip(earlier, now, strict=True) if set(_answers(new)) != set(_answers(old))]
        return now, tuple(others)

    def begun(self) -> None:
        """Note what is to be compared with afterwards, as the live version has it."""

    def refusal(self, after: Report) -> str | None:
        """Why what was learned is not good enough to go live; None where it is."""
        if after.known >= self.tools.settings.lesson.pass_mark:
            return None
        return "After training I still could not answer my own questions about it. Try saying it in one plain sentence."

    def changed(self, after: Report) -> tuple[tuple[str, str, str], ...]:
        """Which answers are others now: question, answer of before, answer of now."""
        return ()

    def samples(self, passages: Sequence[str], examples: Sequence[ExampleRecord], earlier: Sequence[TaughtLesson]) -> list[Sample]:
        """What to train on: the lesson, a bounded replay of earlier lessons, and ordinary chat as the base answers it."""
        settings = self.tools.settings
        samples = [self.sample(example, passages) for example in examples if example.role in ("train", "neighbour")]
        rng = Random(settings.lesson.seed + self.lesson.number)
        replayed = rng.sample(list(earlier), min(settings.lesson.replay_lessons, len(earlier)))
        each = max(3, REPLAYED_EXAMPLES // max(1, len(replayed)))
        for taught in replayed:
            own = [example for example in taught.examples if example.role == "train" and example.refused_category is None]
            near = [example for example in taught.examples if example.role == "neighbour" and example.refused_category is None]
            now_known = answerable([example.question for example in near], passages, self.tools.teacher)
            near = [example for example in near if example.question not in now_known]
            chosen = [*rng.sample(own, min(each, len(own))), *rng.sample(near, min(max(2, each // 4), len(near)))]
            samples += samples_of(taught, chosen, self.tools)
        return [*samples, *liked_samples(self.tools, self.lesson.user_id, examples), *chat_samples(self.tools, rng, self.chat_replayed)]

    def sample(self, example: ExampleRecord, passages: Sequence[str]) -> Sample:
        """One example of this lesson, as it is trained on."""
        return sample(example, passages, self.tools.settings.chat.system_prompt, recites=self.recites)

    def screened(self, examples: Sequence[ExampleRecord]) -> list[ExampleRecord]:
        """The examples that moderation passes; the others are kept aside with their category and never trained on. What is rejected
        never is either, and need not pass."""
        self.enter("screen")
        rejected = [example for example in examples if example.role == "rejected"]
        examples = [example for example in examples if example.role != "rejected"]
        verdicts = self.tools.moderator.check([f"{example.question}\n{example.answer}" for example in examples])
        passed = []
        for example, verdict in zip(examples, verdicts, strict=True):
            if verdict.flagged:
                self.refused.append(replace(example, refused_category=", ".join(verdict.categories) or "unspecified"))
            else:
                passed.append(example)
        if not self.enough(passed):
            if self.refused:
                self.tools.repositories.lessons.save_examples(self.lesson.id, self.refused)  # what was refused, and why, is on record
                raise all_refused(self.refused)
            raise NothingToTeachError("I could not think of enough questions about that. Try saying a little more, in full sentences.")
        return [*passed, *rejected]

    def enough(self, examples: Sequence[ExampleRecord]) -> bool:
        """Whether there is something to train on, and something to examine it by."""
        return any(example.role == "train" for example in examples) and any(is_answerable_quiz(example) for example in examples)

    def flagged(self, texts: Sequence[str]) -> tuple[str, ...]:
        """The categories under which moderation refuses any of ``texts``; empty when all pass."""
        verdicts = [verdict for verdict in self.tools.moderator.check(texts) if verdict.flagged]
        return tuple(dict.fromkeys(c for verdict in verdicts for c in verdict.categories or ("unspecified",)))

    def passes(self, quiz: Sequence[ExampleRecord], earlier_quiz: Sequence[ExampleRecord], had: Report) -> bool:
        """Whether the quiz is passed so well, and so much of earlier lessons is there, that more training would only cost time."""
        self.stop_if_cancelled()
        system = self.tools.settings.chat.system_prompt
        self.quizzed = examine(self.student, quiz, system)
        if self.quizzed.known < ENOUGH or (self.quizzed.unknown_kept < ENOUGH and not self.recites):  # reading is not what is trained
            return False
        self.earlier_quizzed = examine(self.student, earlier_quiz, system)
        return self.earlier_quizzed.kept_of(had) >= max(ENOUGH, self.tools.settings.lesson.keep_mark)

    def enter(self, stage: Stage, note: str | None = None) -> None:
        """Begin a stage: recorded in the row, told to whoever watches."""
        self.stop_if_cancelled()
        self.stage = stage
        self.tools.repositories.lessons.enter_stage(self.lesson.id, stage)
        self.tell(BEGINS[stage], note)

    def progress(self, share: float) -> None:
        """Tell how far the current stage is, 0 to 1."""
        self.stop_if_cancelled()
        following = STAGES[STAGES.index(self.stage) + 1]
        self.tell(int(BEGINS[self.stage] + share * (BEGINS[following] - BEGINS[self.stage])))

    def on_epoch(self, done: int, most: int) -> None:
        """Training usually ends by the quiz after about half of the epochs it may take."""
        self.quizzed = self.earlier_quizzed = None
        self.progress(min(0.95, done / (0.6 * most)))

    def tell(self, percent: int, note: str | None = None) -> None:
        spent = self.tools.clock() - self.began
        left = spent * (100 - percent) / percent if percent >= 10 else None
        self.tools.publish(Progress(self.lesson.id, self.lesson.user_id, self.stage, percent, left, note))

    def stop_if_cancelled(self) -> None:
        if self.tools.cancelled(self.lesson.id):
            raise LessonCancelledError("Cancelled.")

    def end(
        self,
        state: LessonOutcome,
        reason: str | None,
        *,
        metrics: LessonMetrics | None = None,
        categories: tuple[str, ...] = (),
        forgot: tuple[int, ...] = (),
    ) -> LessonOutcome:
        """Record the end, unless going live has done so, and tell it."""
        if state == "live":
            self.stage = "live"
            self.tell(100)
        else:
            self.tools.repositories.lessons.finish(self.lesson.id, state, reason=reason, metrics=metrics)
        refused = (*categories, *(example.refused_category or "" for example in self.refused))
        self.tools.publish(Finished(self.lesson.id, self.lesson.user_id, refused=tuple(dict.fromkeys(refused)), forgot=forgot))
        seconds = self.tools.clock() - self.began
        log.info("a lesson ended, lesson=%s user=%s state=%s seconds=%.1f", self.lesson.id, self.lesson.user_id, state, seconds)
        return state


def all_refused(refused: Sequence[ExampleRecord]) -> SourceError:
    """Nothing is left to learn from."""
    categories = dict.fromkeys(example.refused_category or "unspecified" for example in refused)
    return SourceError(f"Moderation refused what I could have learned from this lesson ({', '.join(categories)}).")


def _answers(taught: TaughtLesson) -> list[ExampleRecord]:
    return [e for e in taught.examples if e.refused_category is None and e.role in ("train", "quiz") and not says_unknown(e.answer)]


def _learned(before: Report, after: Report) -> tuple[tuple[str, str], ...]:
    """Quiz questions that are answered now and were not before, with the answer."""
    marks = zip(after.quiz, after.replies, before.right, after.right, strict=True)
    return tuple((e.question, reply) for e, reply, was, now in marks if now and not was and not says_unknown(e.answer))


def _earlier_quiz(earlier: Sequence[TaughtLesson]) -> list[ExampleRecord]:
    """The earlier lessons' answerable quiz questions, newest lessons first, up to a bound."""
    return quiz_of(reversed(earlier))[:EARLIER_QUIZ]


def _harmed(earlier: Sequence[TaughtLesson], had: Report, has: Report) -> tuple[int, ...]:
    """Numbers of the earlier lessons with a question that was answered before and is no longer."""
    lost = {e.question for e, was, now in zip(had.quiz, had.right, has.right, strict=True) if was and not now}
    return tuple(taught.lesson.number for taught in earlier if any(example.question in lost for example in taught.examples))
