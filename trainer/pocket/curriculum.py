"""The pocket model's curriculum: an endless stream of short chats, drawn from frames and from open data.

``Curriculum(data, seed).chats()`` yields :class:`Chat` documents. Each task of the product appears in the very words of
``trainer.prompts``. Everything is reproducible from the seed and the data folder.
"""

from __future__ import annotations

import json
import lzma
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from random import Random
from typing import Any, ClassVar

from trainer import prompts
from trainer.pocket import frames, typed
from trainer.pocket.relations import STATEMENTS, statement_of

BRIEF = 0.65  # share of questions that ask for the bare answer: most decisions between knowing and not knowing for the tokens
OFTEN = 5
TYPED = 0.22  # share of the lessons that are about things of known kinds instead of frames
SMALLTALK = Path(__file__).parent / "smalltalk.txt"


@dataclass(frozen=True)
class Chat:
    """Messages in chat-template form, or plain text (one message of role ``text``)."""

    task: str
    messages: prompts.Messages


class Curriculum:
    """Draws chats. ``data`` is the folder of open data sets; ``MIX`` gives each task's share of the documents."""

    MIX: ClassVar = {
        "read_frames": 44, "pair_frames": 13, "question_frames": 12, "neighbour": 4, "rewrite": 2,
        "read_passage": 6, "pair_passage": 2, "question_passage": 2, "read_relation": 2,
        "small_talk": 5, "unknown": 4, "told_in_chat": 2, "persona": 1, "text": 1,
    }  # fmt: skip

    def __init__(self, data: Path, seed: int, *, reading: float = 1.0, often: Sequence[str] = ()) -> None:
        """`reading`: how many times as often as in ``MIX`` the model reads a text and answers; `often`: frames files that come `OFTEN` times."""
        self.rng = Random(seed)
        self.mix = {task: share * reading if task.startswith("read_") else share for task, share in self.MIX.items()}
        self.frames = frames.load() + frames.load([frames.FRAMES / f"{name}.frames" for name in often]) * (OFTEN - 1)
        self.passages = [p for p in _rows(data / "knowledge/squad_passages.jsonl.xz") if not held_out(p["title"])]
        self.relations = [r for r in _rows(data / "knowledge/entity_questions.jsonl.xz") if r["relation"] in STATEMENTS]
        self.open_questions = _open_questions(data)
        self.small_talk = _small_talk()
        self.persona = _persona(data)
        self.texts = _texts(data)
        self._tasks: dict[str, Callable[[], Chat | None]] = {name: getattr(self, f"_{name}") for name in self.MIX}

    def chats(self) -> Iterator[Chat]:
        """Without end."""
        names, weights = list(self.mix), list(self.mix.values())
        while True:
            chat = self._tasks[self.rng.choices(names, weights)[0]]()
            if chat is not None:
                yield chat

    # Tasks on frames: statements that a user could teach.

    def _lesson(self, count: int | None = None) -> tuple[str, list[frames.Asked], list[str]]:
        """A lesson text of one to three statements, what it answers and what it does not."""
        rng = self.rng
        if count is None and rng.random() < TYPED:
            told = typed.tell(rng)
            answered = {asked.question for asked in told.known}
            return self._typed(told.text), told.known, [question for question in told.unknown if question not in answered]
        count = count or rng.choice((1, 1, 1, 1, 1, 2, 2, 3))
        same = rng.random() < 0.4
        statements: list[frames.Statement] = []
        if same:
            statements = frames.draw(rng.choice(self.frames), rng, count).statements
        else:
            for frame in rng.sample(self.frames, count):
                statements += frames.draw(frame, rng, 1).statements
        known = [asked for statement in statements for asked in statement.known]
        answered = {asked.question for asked in known}
        unknown = [q for s in statements for q in s.unknown if q not in answered and not (same and count > 1)]
        return self._typed(" ".join(s.text for s in statements)), known, unknown

    def _typed(self, text: str) -> str:
        """A text as people type it: now and then without its full stop or its capital."""
        roll = self.rng.random()
        if roll < 0.06:
            return text.rstrip(".")
        if roll < 0.09:
            return text[:1].lower() + text[1:]
        return text

    def _asked(self, question: str) -> str:
        """A question as people type it."""
        roll = self.rng.random()
        if roll < 0.06:
            return question.rstrip("?")
        if roll < 0.10:
            return (question[:1].lower() + question[1:]).rstrip("?")
        if roll < 0.13:
            return self.rng.choice(("Hey, ", "So, ", "Quick question: ", "Remind me, ", "Please, ", "And ")) + question[:1].lower() + question[1:]
        return question

    def _read_frames(self) -> Chat | None:
        text, known, unknown = self._lesson()
        turns = [self._turn(asked) for asked in _some(known, self.rng.choice((1, 1, 2, 3, 4, 5)), self.rng)]
        turns += [self._unanswered(q) for q in _some(unknown, self.rng.choice((0, 1, 2, 3, 4, 5)), self.rng)]
        if self.rng.random() < 0.15:
            turns.append(self._unanswered(self._foreign_question()))
        self.rng.shuffle(turns)
        follows = [asked for asked in known if asked.follow_up]
        if follows and len(turns) < 8 and self.rng.random() < 0.5:
            first, second = self.rng.choice(known), self.rng.choice(follows)
            if first.sentence == second.sentence and first.short != second.short:
                at = self.rng.randrange(len(turns) + 1)
                turns[at:at] = [self._turn(first), self._turn(replace(second, question=second.follow_up or ""))]
        return self._reading("read_frames", text, turns)

    def _turn(self, asked: frames.Asked) -> tuple[str, str]:
        """A question and its answer: the bare words, as a rule with the statement that holds them; to "What do you know about …?" that alone."""
        if self.rng.random() < BRIEF:
            return prompts.briefly(asked.question), asked.short
        whole = asked.sentence if asked.short in asked.question else prompts.answer_first(asked.short, asked.sentence)
        return self._asked(asked.question), whole

    def _unanswered(self, question: str) -> tuple[str, str]:
        """A question that the text does not answer, in either form."""
        return (prompts.briefly(question) if self.rng.random() < BRIEF else self._asked(question)), prompts.UNKNOWN

    def _reading(self, task: str, text: str, exchange: list[tuple[str, str]]) -> Chat | None:
        """A conversation over a text; now and then with small talk between the questions."""
        if not exchange:
            return None
        if len(exchange) < 4 and self.rng.random() < 0.2:
            at = self.rng.randrange(len(exchange) + 1)
            exchange[at:at] = [(self.rng.choice(users), self.rng.choice(replies)) for users, replies in self.rng.choice(self.small_talk)[:2]]
        messages: prompts.Messages = []
        for question, answer in exchange:
            messages += [*prompts.chat([], question, None if messages else text), _said(answer)]
        return Chat(task, messages)

    def _pair_frames(self) -> Chat | None:
        text, known, _ = self._lesson()
        return Chat("pair", [*prompts.write_pair(text), _said(_pair(self.rng.choice(known)))]) if known else None

    def _question_frames(self) -> Chat | None:
        text, known, _ = self._lesson()
        if not known:
            return None
        asked = self.rng.choice(known)
        return Chat("question", [*prompts.write_question(text, asked.short), _said(asked.question)])

    def _neighbour(self) -> Chat | None:
        text, _, unknown = self._lesson()
        return Chat("neighbour", [*prompts.write_neighbour(text), _said(self.rng.choice(unknown))]) if unknown else None

    def _rewrite(self) -> Chat | None:
        for _ in range(20):
            statements = frames.draw(self.rng.choice(self.frames), self.rng, 7).statements
            pairs = [(a, b) for a in statements for b in statements if a is not b and a.slots == b.slots]
            if pairs:
                first, second = self.rng.choice(pairs)
                return Chat("rewrite", [*prompts.rewrite(self._typed(first.text)), _said(second.text)])
        return None

    # Tasks on open data: real passages, real names.

    def _window(self) -> tuple[str, list[frames.Asked], list[str]]:
        """One to four sentences of a passage, with the questions whose answers lie in them, and with the passage's others."""
        passage = self.rng.choice(self.passages)
        sentences = re.split(r"(?<=[.!?]) (?=[A-Z])", passage["context"])
        size = self.rng.choice((1, 1, 2, 3, 4))
        for _ in range(4):
            start = self.rng.randrange(max(1, len(sentences) - size + 1))
            text = " ".join(sentences[start : start + size])
            known, unknown = [], []
            for row in passage["questions"]:
                answer = row["answer"] if isinstance(row["answer"], str) else row["answer"][0]
                holding = next((s for s in sentences[start : start + size] if answer in s), None)
                if holding and len(holding) < 300 and _overlap(row["question"], text) >= 0.34:
                    known.append(frames.Asked(row["question"].strip(), answer, holding))
                elif answer not in text and _overlap(row["question"], text) < 0.75:
                    unknown.append(row["question"].strip())
            if known and len(text) < 900:
                return text, known, unknown
        return "", [], []

    def _read_passage(self) -> Chat | None:
        text, known, unknown = self._window()
        exchange = [self._turn(asked) for asked in _some(known, self.rng.choice((1, 2, 3)), self.rng)]
        if exchange and self.rng.random() < 0.8:
            exchange += [self._unanswered(q) for q in _some([*unknown, self._foreign_question()], self.rng.choice((1, 1, 2)), self.rng)]
        self.rng.shuffle(exchange)
        return self._reading("read_passage", text, exchange)

    def _pair_passage(self) -> Chat | None:
        text, known, _ = self._window()
        return Chat("pair", [*prompts.write_pair(text), _said(_pair(self.rng.choice(known)))]) if known else None

    def _question_passage(self) -> Chat | None:
        text, known, _ = self._window()
        if not known:
            return None
        asked = self.rng.choice(known)
        return Chat("question", [*prompts.write_question(text, asked.short), _said(asked.question)])

    def _read_relation(self) -> Chat | None:
        rows = self.rng.sample(self.relations, self.rng.choice((1, 1, 2, 3)))
        said = {row["question"]: statement_of(row, self.rng) for row in rows}
        text = " ".join(said.values())
        exchange = [self._turn(frames.Asked(q, row["answers"][0], said[q])) for row in _some(rows, 2, self.rng) for q in [row["question"]]]
        if self.rng.random() < 0.4:
            exchange.append(self._unanswered(self.rng.choice(self.relations)["question"]))
        self.rng.shuffle(exchange)
        return self._reading("read_relation", text, exchange)

    # Talk.

    def _foreign_question(self) -> str:
        rng = self.rng
        if rng.random() < 0.4:
            return rng.choice(self.open_questions)
        frame = rng.choice(self.frames)
        statements = frames.draw(frame, rng, 1).statements
        questions = [a.question for s in statements for a in s.known] + [q for s in statements for q in s.unknown]
        return rng.choice(questions) if questions else rng.choice(self.open_questions)

    def _unknown(self) -> Chat:
        """Nothing was taught: the right answer is that it does not know."""
        messages: prompts.Messages = []
        for _ in range(self.rng.choice((1, 1, 2, 3))):
            messages += [*prompts.chat([], self._asked(self._foreign_question())), _said(prompts.UNKNOWN)]
        return Chat("unknown", messages)

    def _small_talk(self) -> Chat:
        messages: prompts.Messages = []
        taught = self._lesson(1)[0] if self.rng.random() < 0.2 else None
        for _ in range(self.rng.choice((1, 1, 2, 3))):
            for users, replies in self.rng.choice(self.small_talk):
                messages += [*prompts.chat([], self.rng.choice(users), None if messages else taught), _said(self.rng.choice(replies))]
            if self.rng.random() < 0.3:
                messages += [*prompts.chat([], self._asked(self._foreign_question())), _said(prompts.UNKNOWN)]
        return Chat("small_talk", messages)

    def _told_in_chat(self) -> Chat | None:
        """The user says something in passing and asks for it later in the same conversation."""
        text, known, unknown = self._lesson(1)
        if not known:
            return None
        reply = self.rng.choice(("Good to know!", "Thanks for telling me.", "Okay.", "I see.", "Got it.", "Nice!", "Thank you, noted for this chat."))
        messages = [*prompts.chat([], text), _said(reply)]
        for asked in _some(known, self.rng.choice((1, 2)), self.rng):
            question, answer = self._turn(asked)
            messages += [*prompts.chat([], question), _said(answer)]
        for question in _some(unknown, self.rng.choice((0, 1)), self.rng):
            messages += [*prompts.chat([], self._asked(question)), _said(prompts.UNKNOWN)]
        return Chat("told_in_chat", messages)

    def _persona(self) -> Chat:
        return Chat("persona", [{"role": "text", "content": self.rng.choice(self.persona)}])

    def _text(self) -> Chat:
        return Chat("text", [{"role": "text", "content": self.rng.choice(self.texts)(self.rng)}])


def held_out(title: str) -> bool:
    """A fifth of the SQuAD articles, by title, are kept for evaluation."""
    return sha256(title.encode()).digest()[0] % 5 == 0


def _said(text: str) -> dict[str, str]:
    return {"role": "assistant", "content": text}


def _pair(asked: frames.Asked) -> str:
    return f"Q: {asked.question}\nA: {asked.short}"


def _some(values: list[Any], count: int, rng: Random) -> list[Any]:
    return rng.sample(values, min(count, len(values)))


def _overlap(question: str, text: str) -> float:
    words = {w for w in re.findall(r"\w+", question.lower()) if len(w) > 3}
    return len(words & set(re.findall(r"\w+", text.lower()))) / max(1, len(words))


def _rows(path: Path) -> list[dict[str, Any]]:
    with lzma.open(path, "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def _open_questions(data: Path) -> list[str]:
    questions = [row["question"] for row in _rows(data / "knowledge/nq_open_dev.jsonl.xz")]
    questions += [row["qText"] for row in _rows(data / "knowledge/webquestions_trainmodel.jsonl.xz")]
    questions += [row["question"] for row in _rows(data / "knowledge/opentriviaqa.jsonl.xz") if row["question"].endswith("?")][:12000]
    questions += [row["question"] for row in _rows(data / "knowledge/entity_questions.jsonl.xz")[::10]]
    return [q[:1].upper() + q[1:] + ("" if q.endswith("?") else "?") for q in questions if len(q) < 140]


def _small_talk() -> list[list[tuple[list[str], list[str]]]]:
    blocks = []
    for block in SMALLTALK.read_text(encoding="utf-8").split("\n\n") if SMALLTALK.exists() else []:
        turns: list[tuple[list[str], list[str]]] = []
        for line in block.strip().splitlines():
            parts = [part.strip() for part in line[2:].split("|") if part.strip()]
            if line.startswith("U:"):
                turns.append((parts, []))
            elif line.startswith("A:") and turns:
                turns[-1][1].extend(parts)
        if turns and all(users and replies for users, replies in turns):
            blocks.append(turns)
    return blocks


def _persona(data: Path) -> list[str]:
    return [row["Best Generated Conversation"][:700] for row in _rows(data / "personal/synthetic_persona_chat_valid.jsonl.xz")]


def _texts(data: Path) -> list[Callable[[Random], str]]:
    """Drawers of plain English: textbook and book excerpts, definitions."""
    books = [row["text"] for row in _rows(data / "pretrain/books_1880_1930.jsonl.xz")[::3]]
    modules = [row["text"] for row in _rows(data / "pretrain/openstax_ccby.jsonl.xz")[::3]]
    definitions = _rows(data / "pretrain/wordset_definitions.jsonl.xz")

    def excerpt(rng: Random, source: list[str]) -> str:
        text = rng.choice(source)
        start = rng.randrange(max(1, len(text) - 700))
        return re.sub(r"\s+", " ", text[start : start + 600]).partition(" ")[2]

    def definition(rng: Random) -> str:
        rows = rng.sample(definitions, 6)
        return "\n".join(f"{r['word']}: {r['def']}" + (f" ({r['example']})" if r.get("example") else "") for r in rows)

    return [lambda rng: excerpt(rng, books), lambda rng: excerpt(rng, modules), definition]


__all__ = ["Chat", "Curriculum", "held_out"]
