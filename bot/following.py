"""Follows lessons and rebuilds to their end, and shows every step where they came from; answers that wait are shown beside them."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace

from redis.exceptions import RedisError

from bot import cards, progress, texts
from bot.app import App
from bot.lessons import Teaching
from bot.messages import LessonProgress
from bot.owing import TRIES, Owing, in_hand
from bot.platforms.base import ChatPlatform
from bot.progress import Work
from bot.rebuilds import remove_versions, removed_by
from storage.errors import StorageError
from storage.records import LessonRecord, RebuildRecord
from storage.repositories import Lessons, Rebuilds
from trainer.contracts import Answered, Event, Finished, Progress, Rebuilding, Rebuilt, showing_key

log = logging.getLogger(__name__)

_Key = tuple[str, int]  # what kind of work, and its row

LOOK_SECONDS = 1.0  # how often rows are read for what no event told
ADOPT_SECONDS = 5.0  # between two looks for what no bot process shows any more
GRACE_SECONDS = 3.0  # how long a finished row waits for its event, which knows what was refused and what was harmed


@dataclass(slots=True)
class _Followed:
    """A lesson or rebuild and the message that shows it."""

    work: Work
    message_id: str
    shown: LessonProgress
    seen_finished_at: float | None = None


class Following:
    """Of one platform. Events make it quick; rows, read now and then, make it sure. Use as an async context manager.

    Of several bot processes of the platform one shows a lesson or rebuild; another takes over what is left of a process that has gone.
    """

    def __init__(self, app: App, platform: ChatPlatform, look_seconds: float = LOOK_SECONDS) -> None:
        self._app = app
        self._platform = platform
        self._look_seconds = look_seconds
        self._works: dict[_Key, _Followed] = {}
        self._claims = app.queue.claims()
        self._orphans: set[_Key] = set()  # what nobody here showed when we last looked
        self._refused: Counter[_Key] = Counter()
        self._in_hand: Counter[_Key] = Counter()  # whose first or last word is being shown right now
        self._owing = Owing(app, platform, self._note_idle)
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
        looking = (self._look_now_and_then(), self._adopt_now_and_then(), self._keep_claims())
        self._tasks = [asyncio.create_task(each) for each in (self._show_events(), *looking)]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._stop.set()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._give_back(*self._works)

    async def work(self, work: Work) -> None:
        """Show the lesson or rebuild from here to its receipt, unless another bot process does."""
        key = _key(work)
        if key in self._works or key in self._in_hand:
            return
        with in_hand(self._in_hand, key, self._note_idle):
            if not await self._claim(key):
                return
            shown, message_id = progress.begun(work), work.progress_message_id or ""
            try:
                if message_id:
                    await self._platform.edit(work.channel, message_id, shown)
                else:
                    message_id = await self._platform.send(work.channel, shown)
            except BaseException:
                await self._give_back(key)
                raise
            self._works[key] = _Followed(work, message_id, shown)  # first, or its end would be missed where that cannot be noted
        if message_id != work.progress_message_id:
            await asyncio.to_thread(self._rows(work).set_progress_message, work.id, message_id)
        await self.look()  # it may have ended before it was followed

    def exchange(self, exchange_id: int, channel: str) -> None:
        """Show the answer when there is one."""
        self._owing.wait_for(exchange_id, channel)

    async def shows(self, exchange_id: int, message_id: str) -> None:
        """Note which message shows the answer."""
        await self._owing.shows(exchange_id, message_id)

    def waiting(self) -> list[int]:
        """Ids of the followed lessons that wait for a time before they begin."""
        return [each.work.id for each in self._works.values() if isinstance(each.work, LessonRecord) and each.work.begins_at]

    async def idle(self) -> None:
        """Wait until nothing is being learned or owed."""
        await self._idle.wait()

    @property
    def busy(self) -> bool:
        """Whether something is being learned or owed."""
        return bool(self._works or self._in_hand or self._owing.busy)

    async def look(self) -> None:
        """Read the rows of everything that is followed, and show what has ended."""
        now = asyncio.get_running_loop().time()
        for followed in list(self._works.values()):
            work = await asyncio.to_thread(self._rows(followed.work).get, followed.work.id)
            if work is None:  # its user deleted everything
                self._works.pop(_key(followed.work), None)
                await self._give_back(_key(followed.work))
            elif isinstance(work, LessonRecord) and work.state == "awaiting":
                await self._ask(work)
            elif work.is_finished:
                followed.seen_finished_at = followed.seen_finished_at or now
                if work.state == "cancelled" or now - followed.seen_finished_at >= GRACE_SECONDS:
                    await self._end_work(work, None)
        await self._owing.look()
        self._note_idle()

    async def _resume(self) -> None:
        """Take up what was under way when the bot stopped, and tell how it ended what nobody has seen end."""
        queue = self._app.queue
        for work in await self._to_show():
            if isinstance(work, LessonRecord) and not work.is_finished and work.state != "awaiting":
                await asyncio.to_thread(queue.enqueue_lesson, work.id, work.begins_at)
            elif isinstance(work, RebuildRecord) and not work.is_finished:
                await asyncio.to_thread(queue.enqueue_rebuild, work.id)
            await self._take_over(work)
        await self._owing.resume()

    async def _adopt_now_and_then(self) -> None:
        while True:
            await asyncio.sleep(ADOPT_SECONDS)
            with _going_on("it could not be looked whether a bot has left"):
                await self._adopt()

    async def _adopt(self) -> None:
        """Take over what no process has shown for a while: whoever has just noted it has shown it before the second look."""
        found = {_key(each): each for each in await self._to_show() if _key(each) not in {*self._works, *self._in_hand}}
        for key in self._orphans & found.keys():
            await self._take_over(found[key])
        self._orphans = set(found)
        await self._owing.adopt()

    async def _take_over(self, work: Work) -> None:
        """Show it from here on, or how it ended, unless another process does."""
        key = _key(work)
        if self._refused[key] >= TRIES:
            return
        with _going_on("a lesson or rebuild could not be shown"):
            try:
                if not work.is_finished:
                    await self.work(work)
                else:
                    with in_hand(self._in_hand, key, self._note_idle):
                        if await self._claim(key):
                            await self._tell_end(work, work.progress_message_id or "", None)
            except OSError:
                self._refused[key] += 1
                raise

    async def _to_show(self) -> list[Work]:
        """What is under way on this platform, or has ended and nobody was told."""
        stored, name = self._app.repositories, self._platform.name
        found: list[Work] = [*await asyncio.to_thread(stored.lessons.to_show, name), *await asyncio.to_thread(stored.rebuilds.to_show, name)]
        return [each for each in found if self._platform.serves(each.channel)]

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
                if followed is not None and await self._is_ours(_key_of(event)):
                    shown = progress.moved(followed.work, event)
                    if shown != followed.shown:
                        followed.shown = shown
                        await self._platform.edit(followed.work.channel, followed.message_id, shown)
            case Finished() | Rebuilt():
                followed = self._works.get(_key_of(event))
                work = await asyncio.to_thread(self._rows(followed.work).get, followed.work.id) if followed is not None else None
                if work is not None and work.is_finished:
                    await self._end_work(work, event)
            case Answered():
                await self._owing.heard(event.exchange_id)

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
        with in_hand(self._in_hand, _key(lesson), self._note_idle):
            try:
                waiting = replace(followed.shown, text=texts.awaiting(lesson.number))
                await self._platform.edit(lesson.channel, followed.message_id, waiting)
                samples = await asyncio.to_thread(Teaching(self._app).samples, lesson)
                await self._platform.send(lesson.channel, cards.approval(lesson, samples))
                await asyncio.to_thread(self._app.repositories.lessons.asked, lesson.id)
            finally:
                await self._give_back(_key(lesson))

    async def _end_work(self, work: Work, event: Finished | Rebuilt | None) -> None:
        if not await self._is_ours(_key(work)):
            return
        followed = self._works.pop(_key(work), None)
        if followed is not None:
            with in_hand(self._in_hand, _key(work), self._note_idle):
                await self._tell_end(work, followed.message_id, event, again=True)  # what we showed last may have come over it

    async def _tell_end(self, work: Work, message_id: str, event: Finished | Rebuilt | None, *, again: bool = False) -> None:
        """Show the receipt of what we have a claim on, and give that back. `again`: also where somebody has shown it already."""
        try:
            now = await asyncio.to_thread(self._rows(work).get, work.id)
            if now is not None and (again or now.progress_message_id is not None):
                await self._show_receipt(now, message_id, event)
        finally:
            await self._give_back(_key(work))

    async def _let_go(self, key: _Key) -> None:
        """Another process shows it now. What we showed last may come late, and over the receipt: then that is shown once more."""
        followed = self._works.pop(key, None)
        if followed is not None:
            log.warning("another process shows it now, %s=%d", *key)
            work = await asyncio.to_thread(self._rows(followed.work).get, followed.work.id)
            if work is not None and work.is_finished and work.progress_message_id is None:
                await self._show_receipt(work, followed.message_id, None)

    async def _show_receipt(self, work: Work, message_id: str, event: Finished | Rebuilt | None) -> None:
        if isinstance(work, RebuildRecord):  # what it made nobody's is gone before it says so
            await remove_versions(self._app, await asyncio.to_thread(removed_by, self._app, work))
        elif event is None:  # which was missed, so the rows have to tell what was refused
            examples = await asyncio.to_thread(self._app.repositories.lessons.examples, work.id)
            event = Finished(work.id, work.user_id, refused=tuple(dict.fromkeys(e.refused_category for e in examples if e.refused_category)))
        shown = progress.receipt(work, event)
        if message_id:
            await self._platform.edit(work.channel, message_id, shown)
        else:
            await self._platform.send(work.channel, shown)
        await asyncio.to_thread(self._rows(work).said_all, work.id)

    async def _claim(self, key: _Key) -> bool:
        """Whether no other process shows it; now this one does. Without Redis each shows its own: one edit too many is better than none."""
        try:
            return await asyncio.to_thread(self._claims.take, showing_key(*key))
        except RedisError as error:
            log.warning("showing it without asking other processes, error=%s", error)
            return True

    async def _is_ours(self, key: _Key) -> bool:
        """Whether it still is: who was stopped or cut off for a while may have been given up."""
        if not self._claims.is_sure(showing_key(*key)) and not await self._claim(key):
            await self._let_go(key)
        return key in self._works

    async def _keep_claims(self) -> None:
        while True:
            await asyncio.sleep(self._claims.pause)
            await self._keep()

    async def _keep(self) -> None:
        try:
            lost = await asyncio.to_thread(self._claims.keep)
        except RedisError as error:
            log.warning("other processes may take over what this one shows, error=%s", error)
            return
        for key in [each for each in self._works if showing_key(*each) in lost]:
            with _going_on("what another process shows could not be looked at"):
                await self._let_go(key)
        self._note_idle()

    async def _give_back(self, *keys: _Key) -> None:
        with suppress(RedisError):  # they run out by themselves
            await asyncio.to_thread(self._claims.give_back, *(showing_key(*key) for key in keys))

    def _rows(self, work: Work) -> Lessons | Rebuilds:
        stored = self._app.repositories
        return stored.lessons if isinstance(work, LessonRecord) else stored.rebuilds

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
