"""Follows lessons and waiting messages to their end, and shows every step where they came from."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from bot import progress, texts
from bot.app import App
from bot.messages import Answer, LessonProgress, Notice
from bot.platforms.base import ChatPlatform
from storage.errors import StorageError
from storage.records import LessonRecord
from trainer.contracts import Answered, Event, Finished, Progress

log = logging.getLogger(__name__)

LOOK_SECONDS = 1.0  # how often rows are read for what no event told
GRACE_SECONDS = 3.0  # how long a finished row waits for its event, which knows what was refused and what was harmed


@dataclass(slots=True)
class _Followed:
    """A lesson and the message that shows it."""

    lesson: LessonRecord
    message_id: str
    shown: LessonProgress
    seen_finished_at: float | None = None


class Following:
    """Of one platform. Events make it quick; rows, read now and then, make it sure. Use as an async context manager."""

    def __init__(self, app: App, platform: ChatPlatform, look_seconds: float = LOOK_SECONDS) -> None:
        self._app = app
        self._platform = platform
        self._look_seconds = look_seconds
        self._lessons: dict[int, _Followed] = {}
        self._exchanges: dict[int, str] = {}  # where each waiting message came from
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

    async def lesson(self, lesson: LessonRecord) -> None:
        """Show the lesson from here to its receipt."""
        if lesson.id in self._lessons:
            return
        shown = progress.begun(lesson)
        if lesson.progress_message_id is None:
            message_id = await self._platform.send(lesson.channel, shown)
            await asyncio.to_thread(self._app.repositories.lessons.set_progress_message, lesson.id, message_id)
        else:
            message_id = lesson.progress_message_id
            await self._platform.edit(lesson.channel, message_id, shown)
        self._lessons[lesson.id] = _Followed(lesson, message_id, shown)
        self._note_idle()
        await self.look()  # it may have ended before it was followed

    def exchange(self, exchange_id: int, channel: str) -> None:
        """Show the answer when there is one."""
        self._exchanges[exchange_id] = channel
        self._note_idle()

    async def idle(self) -> None:
        """Wait until nothing is being learned or owed."""
        await self._idle.wait()

    @property
    def busy(self) -> bool:
        """Whether something is being learned or owed."""
        return bool(self._lessons or self._exchanges)

    async def look(self) -> None:
        """Read the rows of everything that is followed, and show what has ended."""
        now = asyncio.get_running_loop().time()
        for followed in list(self._lessons.values()):
            lesson = await asyncio.to_thread(self._app.repositories.lessons.get, followed.lesson.id)
            if lesson is None:  # its user deleted everything
                self._lessons.pop(followed.lesson.id, None)
            elif lesson.is_finished:
                followed.seen_finished_at = followed.seen_finished_at or now
                if lesson.state == "cancelled" or now - followed.seen_finished_at >= GRACE_SECONDS:
                    await self._end_lesson(lesson, None)
        for exchange_id in list(self._exchanges):
            await self._end_exchange(exchange_id)
        self._note_idle()

    async def _resume(self) -> None:
        """Take up what was under way when the bot stopped, and tell how lessons ended that nobody has seen end."""
        mine, lessons = self._platform, self._app.repositories.lessons
        for lesson in await asyncio.to_thread(lessons.without_receipt):
            if lesson.platform == mine.name and mine.serves(lesson.channel):
                await mine.edit(lesson.channel, lesson.progress_message_id or "", progress.receipt(lesson, None))
                await asyncio.to_thread(lessons.receipt_shown, lesson.id)
        for lesson in await asyncio.to_thread(lessons.unfinished):
            if lesson.platform == mine.name and mine.serves(lesson.channel):
                await asyncio.to_thread(self._app.queue.enqueue_lesson, lesson.id)
                await self.lesson(lesson)
        for exchange in await asyncio.to_thread(self._app.repositories.exchanges.pending):
            if exchange.platform == mine.name and mine.serves(exchange.channel):
                await asyncio.to_thread(self._app.queue.enqueue_answer, exchange.id)
                self.exchange(exchange.id, exchange.channel)

    async def _show_events(self) -> None:
        while True:
            event = await self._events.get()
            with _going_on("an event could not be shown"):
                await self._show(event)
            self._note_idle()

    async def _show(self, event: Event) -> None:
        match event:
            case Progress():
                followed = self._lessons.get(event.lesson_id)
                if followed is not None:
                    shown = progress.moved(followed.lesson, event)
                    if shown != followed.shown:
                        followed.shown = shown
                        await self._platform.edit(followed.lesson.channel, followed.message_id, shown)
            case Finished():
                lesson = await asyncio.to_thread(self._app.repositories.lessons.get, event.lesson_id)
                if lesson is not None and lesson.is_finished:
                    await self._end_lesson(lesson, event)
            case Answered():
                await self._end_exchange(event.exchange_id)

    async def _look_now_and_then(self) -> None:
        while True:
            await asyncio.sleep(self._look_seconds)
            with _going_on("rows could not be read"):
                await self.look()

    async def _end_lesson(self, lesson: LessonRecord, event: Finished | None) -> None:
        followed = self._lessons.pop(lesson.id, None)
        if followed is not None:
            await self._platform.edit(lesson.channel, followed.message_id, progress.receipt(lesson, event))
            await asyncio.to_thread(self._app.repositories.lessons.receipt_shown, lesson.id)

    async def _end_exchange(self, exchange_id: int) -> None:
        exchange = await asyncio.to_thread(self._app.repositories.exchanges.get, exchange_id)
        if exchange is not None and exchange.state == "pending":
            return
        channel = self._exchanges.pop(exchange_id, None)  # after the last await: nobody else can be showing it
        if channel is None or exchange is None:
            return
        if exchange.state == "failed":
            await self._platform.send(channel, Notice(texts.GAVE_UP), exchange.inbound_message_id)
            return
        shown = Answer(exchange.answer or "", exchange.version, exchange.seconds or 0.0)
        message_id = await self._platform.send(channel, shown, exchange.inbound_message_id)
        await asyncio.to_thread(self._app.repositories.exchanges.set_reply_message, exchange.id, message_id)

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
