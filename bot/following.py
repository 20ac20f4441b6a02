"""Follows lessons, rebuilds and waiting messages to their end, and shows every step where they came from."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import timedelta

from bot import cards, progress, texts
from bot.app import App
from bot.conversation import taken
from bot.lessons import Teaching
from bot.messages import Answer, LessonProgress, Notice
from bot.platforms.base import ChatPlatform
from bot.progress import Work
from bot.rebuilds import remove_versions, removed_by
from storage.errors import StorageError
from storage.records import ExchangeRecord, LessonRecord, RebuildRecord
from storage.repositories import Lessons, Rebuilds
from storage.repositories.base import utc_now
from trainer.contracts import Answered, Event, Finished, Progress, Rebuilding, Rebuilt

log = logging.getLogger(__name__)

_Key = tuple[str, int]  # what kind of work, and its row

LOOK_SECONDS = 1.0  # how often rows are read for what no event told
GRACE_SECONDS = 3.0  # how long a finished row waits for its event, which knows what was refused and what was harmed
OWED_FOR = timedelta(days=1)  # so long after a message its answer is still worth showing


@dataclass(slots=True)
class _Followed:
    """A lesson or rebuild and the message that shows it."""

    work: Work
    message_id: str
    shown: LessonProgress
    seen_finished_at: float | None = None


class Following:
    """Of one platform. Events make it quick; rows, read now and then, make it sure. Use as an async context manager."""

    def __init__(self, app: App, platform: ChatPlatform, look_seconds: float = LOOK_SECONDS) -> None:
        self._app = app
        self._platform = platform
        self._look_seconds = look_seconds
        self._works: dict[_Key, _Followed] = {}
        self._exchanges: dict[int, str] = {}  # where each waiting message came from
        self._unshown: dict[int, float] = {}  # answers that nobody here waits for, and when to look whether anybody shows them
        self._showing: set[int] = set()
        self._last_words = 0  # how many ends are being shown right now
        self._events: asyncio.Queue[Event] = asyncio.Queue()
        self._idle = asyncio.Event()
        self._stop = threading.Event()
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Following:
        hear = _hand_over(asyncio.get_running_loop(), self._events)
        events = await asyncio.to_thread(self._app.queue.events, "$", self._stop)  # "now" is before anything is resumed
        threading.Thread(target=self._listen, args=(events, hear), name="events", daemon=True).start()
        self._note_idle()
        await self._resume()
        self._tasks = [asyncio.create_task(self._show_events()), asyncio.create_task(self._look_now_and_then())]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._stop.set()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def work(self, work: Work) -> None:
        """Show the lesson or rebuild from here to its receipt."""
        if _key(work) in self._works:
            return
        shown = progress.begun(work)
        if work.progress_message_id is None:
            message_id = await self._platform.send(work.channel, shown)
        else:
            message_id = work.progress_message_id
            await self._platform.edit(work.channel, message_id, shown)
        self._works[_key(work)] = _Followed(work, message_id, shown)  # first, or its end would be missed where that cannot be noted
        self._note_idle()
        if work.progress_message_id is None:
            await asyncio.to_thread(self._rows(work).set_progress_message, work.id, message_id)
        await self.look()  # it may have ended before it was followed

    def exchange(self, exchange_id: int, channel: str) -> None:
        """Show the answer when there is one."""
        self._exchanges[exchange_id] = channel
        self._note_idle()

    def waiting(self) -> list[int]:
        """Ids of the followed lessons that wait for a time before they begin."""
        return [each.work.id for each in self._works.values() if isinstance(each.work, LessonRecord) and each.work.begins_at]

    async def idle(self) -> None:
        """Wait until nothing is being learned or owed."""
        await self._idle.wait()

    @property
    def busy(self) -> bool:
        """Whether something is being learned or owed."""
        return bool(self._works or self._exchanges or self._unshown or self._last_words)

    async def look(self) -> None:
        """Read the rows of everything that is followed, and show what has ended."""
        now = asyncio.get_running_loop().time()
        for followed in list(self._works.values()):
            work = await asyncio.to_thread(self._rows(followed.work).get, followed.work.id)
            if work is None:  # its user deleted everything
                self._works.pop(_key(followed.work), None)
            elif isinstance(work, LessonRecord) and work.state == "awaiting":
                await self._ask(work)
            elif work.is_finished:
                followed.seen_finished_at = followed.seen_finished_at or now
                if work.state == "cancelled" or now - followed.seen_finished_at >= GRACE_SECONDS:
                    await self._end_work(work, None)
        for exchange_id in list(self._exchanges):
            await self._end_exchange(exchange_id)
        for exchange_id in [each for each, due in self._unshown.items() if due <= now]:
            await self._show_owed(exchange_id)
        self._note_idle()

    async def _resume(self) -> None:
        """Take up what was under way when the bot stopped, and tell how lessons ended that nobody has seen end."""
        mine, stored = self._platform, self._app.repositories
        for lesson in await asyncio.to_thread(stored.lessons.unfinished):
            if lesson.platform == mine.name and mine.serves(lesson.channel) and lesson.state != "awaiting":
                await asyncio.to_thread(self._app.queue.enqueue_lesson, lesson.id, lesson.begins_at)
                with _going_on("a lesson could not be shown"):
                    await self.work(lesson)
        for rebuild in await asyncio.to_thread(stored.rebuilds.unfinished):
            if rebuild.platform == mine.name and mine.serves(rebuild.channel):
                await asyncio.to_thread(self._app.queue.enqueue_rebuild, rebuild.id)
                with _going_on("a rebuild could not be shown"):
                    await self.work(rebuild)
        for exchange in await asyncio.to_thread(self._app.repositories.exchanges.pending):
            if exchange.platform == mine.name and mine.serves(exchange.channel):
                await asyncio.to_thread(self._app.queue.enqueue_answer, exchange.id)
                self.exchange(exchange.id, exchange.channel)
        for exchange in await asyncio.to_thread(self._app.repositories.exchanges.unshown, mine.name, utc_now() - OWED_FOR):
            self._owe(exchange)
        ended: list[Work] = list(await asyncio.to_thread(stored.lessons.without_receipt))  # read last: what ends meanwhile is in one of both
        ended += await asyncio.to_thread(stored.rebuilds.without_receipt)
        for work in ended:
            if work.platform == mine.name and mine.serves(work.channel) and _key(work) not in self._works:
                with _going_on("a receipt could not be shown"):
                    await self._show_receipt(work, work.progress_message_id or "", None)

    async def _show_events(self) -> None:
        while True:
            event = await self._events.get()
            with _going_on("an event could not be shown"):
                await self._show(event)
            self._note_idle()

    async def _show(self, event: Event) -> None:
        match event:
            case Progress() | Rebuilding():
                followed = self._works.get(_key_of(event))
                if followed is not None:
                    shown = progress.moved(followed.work, event)
                    if shown != followed.shown:
                        followed.shown = shown
                        await self._platform.edit(followed.work.channel, followed.message_id, shown)
            case Finished() | Rebuilt():
                followed = self._works.get(_key_of(event))
                work = await asyncio.to_thread(self._rows(followed.work).get, followed.work.id) if followed is not None else None
                if work is not None and work.is_finished:
                    await self._end_work(work, event)
            case Answered() if event.exchange_id in self._exchanges:
                await self._end_exchange(event.exchange_id)
            case Answered():  # perhaps of a bot that died, or could not note that it waits
                exchange = await asyncio.to_thread(self._app.repositories.exchanges.get, event.exchange_id)
                if exchange is not None:
                    self._owe(exchange)

    async def _look_now_and_then(self) -> None:
        while True:
            await asyncio.sleep(self._look_seconds)
            with _going_on("rows could not be read"):
                await self.look()

    async def _ask(self, lesson: LessonRecord) -> None:
        """Show what was found, and wait no longer: the user has the word."""
        followed = self._works.pop(_key(lesson), None)
        if followed is None:
            return
        with self._busy_to_the_last_word():
            waiting = replace(followed.shown, text=texts.awaiting(lesson.number))
            await self._platform.edit(lesson.channel, followed.message_id, waiting)
            samples = await asyncio.to_thread(Teaching(self._app).samples, lesson)
            await self._platform.send(lesson.channel, cards.approval(lesson, samples))

    async def _end_work(self, work: Work, event: Finished | Rebuilt | None) -> None:
        followed = self._works.pop(_key(work), None)
        if followed is not None:
            with self._busy_to_the_last_word():
                await self._show_receipt(work, followed.message_id, event)

    async def _show_receipt(self, work: Work, message_id: str, event: Finished | Rebuilt | None) -> None:
        if isinstance(work, RebuildRecord):  # what it made nobody's is gone before it says so
            await remove_versions(self._app, await asyncio.to_thread(removed_by, self._app, work))
        elif event is None:  # which was missed, so the rows have to tell what was refused
            examples = await asyncio.to_thread(self._app.repositories.lessons.examples, work.id)
            event = Finished(work.id, work.user_id, refused=tuple(dict.fromkeys(e.refused_category for e in examples if e.refused_category)))
        await self._platform.edit(work.channel, message_id, progress.receipt(work, event))
        await asyncio.to_thread(self._rows(work).receipt_shown, work.id)

    async def _end_exchange(self, exchange_id: int) -> None:
        exchange = await asyncio.to_thread(self._app.repositories.exchanges.get, exchange_id)
        if exchange is not None and exchange.state == "pending":
            return
        channel = self._exchanges.pop(exchange_id, None)  # after the last await: nobody else can be showing it
        if channel is not None and exchange is not None:
            with self._busy_to_the_last_word():
                await self._show_alone(exchange, channel)

    def _owe(self, exchange: ExchangeRecord) -> None:
        """See in a moment whether somebody shows the answer, and show it where nobody does."""
        mine = exchange.platform == self._platform.name and self._platform.serves(exchange.channel)
        if mine and exchange.state == "answered" and exchange.reply_message_id is None and exchange.id not in self._showing:
            self._unshown[exchange.id] = asyncio.get_running_loop().time() + GRACE_SECONDS
            self._note_idle()

    async def _show_owed(self, exchange_id: int) -> None:
        with self._busy_to_the_last_word():
            self._unshown.pop(exchange_id, None)
            exchange = await asyncio.to_thread(self._app.repositories.exchanges.get, exchange_id)
            if exchange is not None and exchange.reply_message_id is None and exchange_id not in self._showing:
                await self._show_alone(exchange, exchange.channel)

    async def _show_alone(self, exchange: ExchangeRecord, channel: str) -> None:
        """Show the answer, unless another bot does, or did meanwhile."""
        lease = self._app.queue.answering(exchange.id)
        self._showing.add(exchange.id)
        try:
            if await asyncio.to_thread(taken, lease):
                now = await asyncio.to_thread(self._app.repositories.exchanges.get, exchange.id)
                if now is not None and now.reply_message_id is None:
                    await self._show_answer(now, channel)
            else:
                self._unshown[exchange.id] = asyncio.get_running_loop().time() + GRACE_SECONDS
        finally:
            self._showing.discard(exchange.id)
            await asyncio.to_thread(lease.__exit__, None, None, None)

    async def _show_answer(self, exchange: ExchangeRecord, channel: str) -> None:
        if exchange.state == "failed":
            await self._platform.send(channel, Notice(texts.GAVE_UP), exchange.inbound_message_id)
            return
        shown = Answer(exchange.answer or "", exchange.version, exchange.seconds or 0.0, exchange.user_id)
        message_id = await self._platform.send(channel, shown, exchange.inbound_message_id)
        await asyncio.to_thread(self._app.repositories.exchanges.set_reply_message, exchange.id, message_id)

    def _rows(self, work: Work) -> Lessons | Rebuilds:
        stored = self._app.repositories
        return stored.lessons if isinstance(work, LessonRecord) else stored.rebuilds

    @contextmanager
    def _busy_to_the_last_word(self) -> Iterator[None]:
        """Inside, the end of something that is followed no more is being shown: whoever waits for it waits for that, too."""
        self._last_words += 1
        try:
            yield
        finally:
            self._last_words -= 1
            self._note_idle()

    def _note_idle(self) -> None:
        if self.busy:
            self._idle.clear()
        else:
            self._idle.set()

    def _listen(self, events: Iterator[tuple[str, Event]], hear: Callable[[Event], None]) -> None:
        try:
            for _, event in events:
                if self._stop.is_set():
                    return
                hear(event)
        except Exception:
            if not self._stop.is_set():  # else: the connection was closed while the thread was still waiting on it
                raise


def _key(work: Work) -> _Key:
    return ("lesson" if isinstance(work, LessonRecord) else "rebuild"), work.id


def _key_of(event: Progress | Finished | Rebuilding | Rebuilt) -> _Key:
    return ("lesson", event.lesson_id) if isinstance(event, Progress | Finished) else ("rebuild", event.rebuild_id)


@contextmanager
def _going_on(after: str) -> Iterator[None]:
    """An error of the database or the platform is logged: the rows are read again soon."""
    try:
        yield
    except (StorageError, OSError) as error:
        log.warning("%s, error=%s", after, error)


def _hand_over(loop: asyncio.AbstractEventLoop, events: asyncio.Queue[Event]) -> Callable[[Event], None]:
    def hear(event: Event) -> None:
        with suppress(RuntimeError):  # the loop has ended
            loop.call_soon_threadsafe(events.put_nowait, event)

    return hear
