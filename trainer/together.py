"""One model for the lessons of several users at once: what they generate goes into one batch, what they train into one step.

Each lesson runs in a thread of its own, in the words of ``lesson.py``, as if it were alone; only this module knows of the others. One
thread owns the model and does for all of them what they wait for, in turns: an epoch of all that train, then everything that is to be
written. Adapters share no weights, so what a lesson learns does not depend on who learned beside it, but for rounding.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from copy import deepcopy
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

from trainer.engine.adapter_bank import AdapterBank
from trainer.engine.adapter_table import BASE_SLOT
from trainer.engine.generation import Generation, GenerationRequest
from trainer.engine.offline import generations
from trainer.lora import Lora, LoraStack
from trainer.model import BaseModel
from trainer.steps import Encoded, Learner, beginnings, encode, epochs

log = logging.getLogger(__name__)

T = TypeVar("T")
Task = Callable[[], None]

ROWS = 64  # that are written at once
GRACE_S = 0.02  # how long the model waits for a lesson that is between two wishes, so that they meet in one batch
STOPPING_S = 3.0  # how long lessons have to note that they were stopped


@dataclass(eq=False)
class _Wish:
    """What a lesson wants of the model: texts, an epoch, or anything else."""

    requests: Sequence[GenerationRequest] = ()
    lora: Lora | None = None
    learner: Learner | None = None
    call: Callable[[], Any] | None = None
    done: Future[Any] = field(default_factory=Future)


class Group:
    """Lessons that use one model. Outside ``work``, its methods do at once, in the calling thread, what they are asked for."""

    def __init__(self, base: BaseModel) -> None:
        self.base = base
        self._stack = LoraStack(base.model)
        self._writer = base
        self._owner: int | None = None
        self._wishes: list[_Wish] = []
        self._changed = threading.Condition()
        self._running = 0
        self._stopped: BaseException | None = None

    def complete(self, requests: Sequence[GenerationRequest], lora: Lora | None = None) -> list[Generation]:
        """What ``requests`` ask for, in their order, by the base model or by one of the adapters; a failed one raises when its text is taken."""
        ended: list[Generation] = self._wish(_Wish(requests=requests, lora=lora)) if requests else []
        return ended

    def epoch(self, learner: Learner) -> float:
        """Train each of the learner's samples once; its mean loss."""
        mean: float = self._wish(_Wish(learner=learner))
        return mean

    def add(self, rank: int, seed: int, parent: Path | None) -> Lora:
        """As LoraStack.add."""
        return self._call(lambda: self._stack.add(rank, seed, parent))

    def encode(self, rows: Sequence[Encoded], contexts: Sequence[list[int] | None]) -> list[Encoded]:
        """As steps.encode."""
        return self._call(lambda: encode(self.base, rows, contexts))

    def beginnings(self, prompts: Sequence[list[int]], token: int) -> list[float]:
        """As steps.beginnings."""
        return self._call(lambda: beginnings(self.base, prompts, token)) if prompts else []

    def work(self, task: Task, more: Callable[[int], Sequence[Task]], most: int) -> None:
        """Run ``task`` and, as long as it or others run, what ``more(room)`` gives, at most ``most`` at once, each in its own thread.

        Returns when all have ended; raises what ``task`` raised. An exception that comes to this thread itself, such as the wish
        to stop, is raised in every task that waits for the model, and then here.
        """
        failure: list[BaseException] = []
        threads: list[threading.Thread] = []

        def begin(each: Task, failures: list[BaseException]) -> None:
            threads.append(threading.Thread(target=self._run, args=(each, failures), name=f"lesson {len(threads) + 1}", daemon=True))
            self._running += 1
            threads[-1].start()

        # Tokenizer objects refuse to be changed in one thread while another one reads them: who writes here has a copy.
        self._writer = replace(self.base, tokenizer=deepcopy(self.base.tokenizer))
        self._owner, self._stopped = threading.get_ident(), None
        try:
            begin(task, failure)
            while True:
                for each in more(most - self._running):
                    begin(each, [])
                if not self._running:
                    break
                self._grant()
        except BaseException as error:
            self._stop(error, threads)
            raise
        finally:
            self._owner, self._writer = None, self.base
        if failure:
            raise failure[0]

    def _run(self, task: Task, failures: list[BaseException]) -> None:
        try:
            task()
        except BaseException as error:
            failures.append(error)
        finally:
            with self._changed:
                self._running -= 1
                self._changed.notify_all()

    def _call(self, call: Callable[[], T]) -> T:
        result: T = self._wish(_Wish(call=call))
        return result

    def _wish(self, wish: _Wish) -> Any:
        if self._owner in (None, threading.get_ident()):
            self._do([wish])
        else:
            with self._changed:
                if self._stopped is not None:
                    raise self._stopped
                self._wishes.append(wish)
                self._changed.notify_all()
        return wish.done.result()

    def _stop(self, error: BaseException, threads: Sequence[threading.Thread]) -> None:
        with self._changed:
            self._stopped = error
            wishes, self._wishes = self._wishes, []
        for wish in wishes:
            wish.done.set_exception(error)
        until = time.monotonic() + STOPPING_S
        for thread in threads:
            thread.join(max(0.0, until - time.monotonic()))

    def _grant(self) -> None:
        """Wait for wishes, then grant those of one kind, for all who have them."""
        with self._changed:
            self._changed.wait_for(lambda: self._wishes or not self._running, timeout=1.0)
            self._changed.wait_for(lambda: len(self._wishes) >= self._running, timeout=GRACE_S)
            calls = [wish for wish in self._wishes if wish.call is not None]
            epochs = [wish for wish in self._wishes if wish.learner is not None]
            granted = calls or epochs or self._wishes
            self._wishes = [wish for wish in self._wishes if wish not in granted]
        try:
            self._do(granted)
        except BaseException as error:
            for wish in granted:
                if not wish.done.done():
                    wish.done.set_exception(error)
            raise

    def _do(self, wishes: Sequence[_Wish]) -> None:
        """Grant wishes of one kind. What fails for several is tried for each alone, so that only the culprit's fails."""
        try:
            results = self._results(wishes)
        except Exception as error:
            if len(wishes) == 1:
                wishes[0].done.set_exception(error)
                return
            log.warning("a common batch failed, lessons=%d error=%s", len(wishes), error)
            for wish in wishes:
                self._do([wish])
            return
        for wish, result in zip(wishes, results, strict=True):
            wish.done.set_result(result)

    def _results(self, wishes: Sequence[_Wish]) -> list[Any]:
        learners = [wish.learner for wish in wishes if wish.learner is not None]
        if learners:
            return epochs(self.base.model, self._stack, learners)
        if wishes and wishes[0].call is not None:
            return [wish.call() for wish in wishes if wish.call is not None]
        return self._texts(wishes)

    def _texts(self, wishes: Sequence[_Wish]) -> list[list[Generation]]:
        """All texts, written as one batch."""
        loras = list({id(wish.lora): wish.lora for wish in wishes if wish.lora is not None}.values())
        names = [None if wish.lora is None else str(loras.index(wish.lora) + 1) for wish in wishes]
        requests = [replace(request, adapter=name) for wish, name in zip(wishes, names, strict=True) for request in wish.requests]
        bank = AdapterBank(self.base.model, len(loras), max(lora.rank for lora in loras)) if loras else None
        try:
            for number, lora in enumerate(loras, 1):
                assert bank is not None
                bank.write(number, lora.pairs())
            places: Any = _Places(bank) if bank else None
            texts = iter(generations(self._writer, requests, places, max_batch=ROWS))
        finally:
            if bank is not None:
                bank.remove()
        return [[next(texts) for _ in wish.requests] for wish in wishes]


class _Places:
    """What the engine asks of a Residency, answered for adapters that are in the bank, and whose names are their slots."""

    def __init__(self, bank: AdapterBank) -> None:
        self.bank = bank

    def prepare(self, name: str) -> None:
        """They are in memory."""

    def acquire(self, name: str | None) -> int:
        return BASE_SLOT if name is None else int(name)

    def release(self, name: str | None) -> None:
        """They stay."""
