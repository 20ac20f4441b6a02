"""Corrections: what answers should have been, as the user says or as the model finds by itself, learned as lessons of their own and guarded.

The corrected answer is the target of the lesson's own loss (context distillation mixed with cross-entropy, replay), the rejected one
is kept beside it as the other half of a preference pair.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from random import Random

from storage.records import CaseRecord, ExampleRecord, LessonRecord, TaughtLesson
from trainer import prompts
from trainer.amend import Amendment, old_answer
from trainer.errors import NothingToTeachError, SourceError
from trainer.examine import QUIZ_TOKENS, Report, examine
from trainer.examples import contains, normal, says_unknown, switch_person
from trainer.generate import write_examples
from trainer.lesson import ENOUGH, Run
from trainer.propose import ask_again, better_answer
from trainer.rephrase import other_ways
from trainer.replay import unrelated_questions
from trainer.statements import bare, reply, statement
from trainer.taught import passages_of, settled, topic
from trainer.teacher import Teacher
from trainer.train import Trainer
from trainer.workbench import Tools

LED_TO, HELD_OUT = (0, 1, 2, 3), (4, 5)  # ways of leading up to the case's own question: to train with, to examine with
USUAL = 5  # what at least one of so many replies of a lesson says is no slip
EVERY = 4  # of the other ways to ask it, each fourth is held out as well
SAMPLES, QUESTIONS, NEIGHBOURS = 12, 16, 8  # of a correction, which is one fact: fewer than of a lesson
CHAT = 48  # messages of ordinary chat to train with: one fact pulls harder at everything else than the many of a lesson
UNRELATED, UNRELATED_KEPT = 8, 0.75  # other messages, and the share of them that must be answered as before, or as without any teaching
UNTAUGHT_REPLIES = 12  # replies of the untaught model to each of these: small talk has many that are as good
EARLIER_KEPT, UNKNOWN_KEPT = 0.95, 0.6  # shares of earlier lessons' quiz, and of close questions without an answer, at which training stops
PARAPHRASES_RIGHT = 0.7  # share of the held-out questions, some of which a small teacher words badly; the cases themselves must all be right


class Correction(Run):
    """One run of one group of corrections."""

    chat_replayed = CHAT

    def __init__(self, tools: Tools, lesson: LessonRecord, written: dict[int, list[ExampleRecord]]) -> None:
        super().__init__(tools, lesson, written)
        self.cases: Sequence[CaseRecord] = tools.repositories.feedback.cases(lesson.id)
        self.talked: list[set[str]] = []

    def passages(self) -> list[str]:
        """Each case as a statement, for the teacher to read."""
        if not self.cases:
            raise SourceError("You have taken back what there was to correct.")
        if any(case.correction is None for case in self.cases):
            self.cases = self.improved()
        return [said for case in self.cases if (said := statement(case.question, case.correction or ""))]

    def improved(self) -> list[CaseRecord]:
        """The cases, each with a better answer than the one rejected; without those for which the model finds none."""
        tools, user_id = self.tools, self.lesson.user_id
        system, seed = tools.settings.chat.system_prompt, tools.settings.lesson.seed
        still_open = [case for case in self.cases if case.correction is None]
        live = tools.repositories.adapters.live(user_id)
        parent = tools.artifacts.path(live.name) if live is not None and live.base_model == tools.base.name else None
        with Trainer(tools.base, tools.settings.lesson, parent, [], tools.group) as trainer:
            own = [ask_again(case.question, trainer.student, seed, system) for case in still_open]
        asked = [prompts.chat([], case.question, system=system) for case in still_open]
        untaught = tools.teacher.complete(asked, temperature=0, max_tokens=QUIZ_TOKENS, seed=seed)
        earlier = settled(tools.repositories.lessons.taught_before(user_id, self.lesson.id))
        taught = [passage for each in earlier for passage in passages_of(each)]
        better: dict[int, str] = {}
        for case, answers, alone in zip(still_open, own, untaught, strict=True):
            self.stop_if_cancelled()
            if found := better_answer(case, taught, answers, alone, tools.teacher, tools.moderator, seed):
                better[case.feedback_id] = found
        cases = tools.repositories.feedback.found(self.lesson.id, better, statement)
        if not any(case.correction for case in cases):
            raise NothingToTeachError("I found no better answer by myself. Tell me what I should have said, with /react 👎 and the right answer.")
        return [case for case in cases if case.correction]

    def examples(self, passages: Sequence[str], earlier: Sequence[TaughtLesson]) -> list[ExampleRecord]:
        """The cases themselves, asked in several ways, what they replace, and what the teacher writes about them as about any lesson."""
        try:
            written = super().examples(passages, earlier) if passages else []
        except NothingToTeachError:  # "Hello!" is nothing to ask questions about
            written = []
        asked = {topic(case.question) for case in self.cases} - {None}
        written = [each for each in written if topic(each.question) not in asked]  # what the user says stands alone
        if all(other_ways(case.question, case.correction or "") for case in self.cases):  # certain, where what is written may be clumsy
            written = [each for each in written if each.role != "quiz" or says_unknown(each.answer)]
        self.written[self.lesson.id] = [*(example for case in self.cases for example in self.of_case(case, earlier)), *written]
        return self.written[self.lesson.id]

    def of_case(self, case: CaseRecord, earlier: Sequence[TaughtLesson]) -> list[ExampleRecord]:
        """The case asked in several ways, the answer that was rejected and, where an earlier lesson said another one, that as rejected, too."""
        if says_unknown(case.correction or ""):
            return examples_of(case, None)
        short = bare(case.question, case.correction or "") or self.read(case)
        passages = [passage for each in earlier for passage in passages_of(each)]
        old = old_answer(case.question, other_ways(case.question, short)[:4], short, passages, self.tools.teacher) if short else None
        if old is None or short is None:
            return examples_of(case, short)
        said = amended_reply(Amendment(case.question, old, switch_person(short)), earlier)
        return [*examples_of(case, short, said), ExampleRecord("rejected", case.question, old)]

    def read(self, case: CaseRecord) -> str | None:
        """The bare answer that the teacher reads in a correction; None where it is not there."""
        said = statement(case.question, case.correction or "")
        (found,) = self.tools.teacher.complete([prompts.chat([], prompts.briefly(case.question), said)], temperature=0, max_tokens=24, seed=0)
        short = found.partition(prompts.ANSWER_FIRST)[0].strip(" .")
        return short if contains(said, short) and not says_unknown(short) else None

    def write(self, passages: Sequence[str]) -> list[ExampleRecord]:
        """What the teacher writes; fewer examples than of a lesson."""
        settings = self.tools.settings.lesson
        fewer = {"samples": SAMPLES, "questions": QUESTIONS, "neighbours": NEIGHBOURS}
        smaller = replace(settings, **{name: min(getattr(settings, name), value) for name, value in fewer.items()})
        return write_examples(passages, self.tools.teacher, smaller, self.progress)

    def enough(self, examples: Sequence[ExampleRecord]) -> bool:
        """Whether a case is left to train on, and to examine: that something is not known is taught without any answer."""
        trained = any(example.role in ("train", "neighbour") for example in examples)
        return trained and any(example.role == "quiz" and self._is_case(example) for example in examples)

    def passes(self, quiz: Sequence[ExampleRecord], earlier_quiz: Sequence[ExampleRecord], had: Report) -> bool:
        """Whether every case is right, in other words as well, and everything else is as it was."""
        self.stop_if_cancelled()
        system = self.tools.settings.chat.system_prompt
        self.quizzed = examine(self.student, quiz, system)
        if self._wrong(self.quizzed) or self.quizzed.known < ENOUGH or self.quizzed.unknown_kept < UNKNOWN_KEPT:
            return False
        self.earlier_quizzed = examine(self.student, earlier_quiz, system)
        return self.earlier_quizzed.kept_of(had) >= EARLIER_KEPT and self._same_talk() >= UNRELATED_KEPT

    def refusal(self, after: Report) -> str | None:
        """A correction goes live only when the case and its paraphrases are right, and what it does not touch stays as it was."""
        if wrong := self._wrong(after):
            return f"After training I still did not answer \u201c{wrong[0].question}\u201d as you said, so the earlier version stays."
        unknown_kept = after.unknown_kept if any(says_unknown(case.correction or "") for case in self.cases) else 1.0
        if min(after.known, unknown_kept) < PARAPHRASES_RIGHT:
            return "I would have answered that one question as you said, but not when it is asked in other words, so the earlier version stays."
        if self._same_talk() < UNRELATED_KEPT:
            return "Learning this would have changed what I say about quite other things, so the earlier version stays."
        return None

    def changed(self, after: Report) -> tuple[tuple[str, str, str], ...]:
        """Each case: the question, the rejected answer, the answer now."""
        replies = {example.question: reply for example, reply in zip(after.quiz, after.replies, strict=True)}
        return tuple((case.question, case.rejected, replies.get(case.question, "")) for case in self.cases)

    def begun(self) -> None:
        """How the live version talks about other things, and all that the untaught model might say."""
        untaught = self.tools.teacher
        replies = zip(self._talk(self.student), self._talk(untaught), self._talk(untaught, temperature=1.0, times=UNTAUGHT_REPLIES), strict=True)
        self.talked = [set.union(*each) for each in replies]

    def _same_talk(self) -> float:
        same = [now <= before for before, now in zip(self.talked, self._talk(self.student), strict=False)]
        return sum(same) / len(same) if same else 1.0

    def _talk(self, model: Teacher, *, temperature: float = 0.0, times: int = 1) -> list[set[str]]:
        """The model's different replies to each of some other messages, which it is sent so many times."""
        settings = self.tools.settings
        questions = [each for each in unrelated_questions(Random(f"unrelated {settings.lesson.seed}"), UNRELATED) for _ in range(times)]
        asked = [prompts.chat([], question, system=settings.chat.system_prompt) for question in questions]
        replies = model.complete(asked, temperature=temperature, max_tokens=QUIZ_TOKENS, seed=settings.lesson.seed)
        return [set(map(normal, replies[at : at + times])) for at in range(0, len(replies), times)]

    def _wrong(self, report: Report) -> list[ExampleRecord]:
        """The cases that are not answered as they should be, or still in the way that was disliked."""
        marks = zip(report.quiz, report.right, report.replies, strict=True)
        return [e for e, right, said in marks if self._is_case(e) and not (right and self._is_other(e.question, said))]

    def _is_other(self, question: str, said: str) -> bool:
        disliked = [case for case in self.cases if case.question == question and case.reason in ("long", "rude", "harmful")]
        shorter = all(len(said.split()) < len(case.rejected.split()) for case in disliked if case.reason == "long")
        return shorter and all(normal(said) != normal(case.rejected) for case in disliked)

    def _is_case(self, example: ExampleRecord) -> bool:
        return any(example.question == case.question for case in self.cases)


def amended_reply(amendment: Amendment, earlier: Sequence[TaughtLesson]) -> str | None:
    """The fullest of what an earlier lesson says, amended, where it gives the old answer: one target for the case and for all else that it says."""
    about = [each for each in earlier if amendment.applies(passages_of(each))]
    said = Counter(e.answer for each in about for e in each.examples if e.role == "train" and amendment.changes(e.answer))
    usual = [amendment.of(answer) for answer, count in said.items() if count * USUAL >= said.total()]
    return max((each for each in usual if contains(each, amendment.new)), key=len, default=None)


def examples_of(case: CaseRecord, short: str | None, said: str | None = None) -> list[ExampleRecord]:
    """The case's question in several ways, some of them held out, and the answer that was rejected.

    ``short`` is the bare answer, where it is known; ``said`` is the whole one, where that is not the correction itself.
    """
    correction = (case.correction or "").strip()
    unknown = says_unknown(correction)
    said = prompts.UNKNOWN if unknown else said or reply(case.question, correction)
    wanted = next((each for each in (switch_person(short or ""), short) if each and contains(said, each)), said)
    ways = other_ways(case.question, short or correction)
    held_out = [*ways[1::EVERY], *(prompts.asked_again(case.question, form) for form in HELD_OUT)]
    trained = [*(prompts.asked_again(case.question, form) for form in LED_TO), *(way for way in ways if way not in held_out)]
    return [
        *(ExampleRecord("neighbour" if unknown else "train", asked, said) for asked in trained),
        *(ExampleRecord("quiz", asked, wanted) for asked in (case.question, *held_out)),
        ExampleRecord("rejected", case.question, case.rejected),
    ]
