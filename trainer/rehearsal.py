"""What is trained on besides a new lesson: earlier lessons, answers that were liked, ordinary chat; and what of it still holds."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from storage.records import (
    ExampleRecord,
    TaughtLesson,
)
from trainer import prompts
from trainer.examples import says_unknown
from trainer.generate import on_topic, passage_of
from trainer.replay import chat_questions
from trainer.taught import passages_of, sample, without_contradicted
from trainer.teacher import Teacher
from trainer.train import Sample
from trainer.workbench import Tools

REPLAYED_LIKED = 8  # answers with a thumb up at most, in every lesson's training
CHAT_TOKENS = 48  # of a reply in ordinary chat


def chat_samples(tools: Tools, rng: Random, count: int) -> list[Sample]:
    """Ordinary chat as the base model answers it, so that learning does not change how the model talks."""
    questions = [prompts.chat([], question, system=tools.settings.chat.system_prompt) for question in chat_questions(rng, count)]
    replies = tools.teacher.complete(questions, temperature=0, max_tokens=CHAT_TOKENS, seed=tools.settings.lesson.seed)
    return [Sample(question, reply, question) for question, reply in zip(questions, replies, strict=True) if reply]


def recites(tools: Tools, kind: str) -> bool:
    """Whether lessons of a kind are learned by reciting: what a correction or a tool teaches is to be said as it is."""
    wanted = tools.settings.lesson.recite
    return kind not in ("correction", "tool") and (tools.base.is_small if wanted is None else wanted)


def samples_of(taught: TaughtLesson, chosen: Sequence[ExampleRecord], tools: Tools) -> list[Sample]:
    """Some of an earlier lesson's examples, as they are trained on."""
    passages = passages_of(taught)
    reciting = recites(tools, taught.lesson.kind)
    return [sample(example, passages, tools.settings.chat.system_prompt, recites=reciting) for example in chosen]


def liked_samples(tools: Tools, user_id: int, taught: Sequence[ExampleRecord]) -> list[Sample]:
    """The newest answers that the user, who has agreed to it, gave a thumb up: replayed, where moderation passes them and
    nothing that is taught now contradicts them."""
    if not tools.repositories.users.consents(user_id):
        return []
    liked = [each for each in tools.repositories.feedback.liked(user_id) if each.answer and not says_unknown(each.answer)][-REPLAYED_LIKED:]
    verdicts = tools.moderator.check([f"{each.question}\n{each.answer}" for each in liked]) if liked else []
    said = [ExampleRecord("train", e.question, e.answer or "") for e, verdict in zip(liked, verdicts, strict=True) if not verdict.flagged]
    return [sample(each, [], tools.settings.chat.system_prompt) for each in without_contradicted(said, taught)]


def answerable(questions: Sequence[str], passages: Sequence[str], teacher: Teacher) -> set[str]:
    """Those of ``questions`` that the teacher answers when it reads the one of ``passages`` that is closest to them."""
    asked = [(q, passage_of(q, passages)) for q in questions if passages]
    asked = [(q, passage) for q, passage in asked if on_topic(q, passage)]
    replies = teacher.complete([prompts.chat([], q, passage) for q, passage in asked], temperature=0, max_tokens=16, seed=0)
    return {q for (q, _), reply in zip(asked, replies, strict=True) if not says_unknown(reply)}
