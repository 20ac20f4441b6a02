"""Decides what one inbound event asks for, and has it done: each branch a line or two."""

from __future__ import annotations

import asyncio
import logging
import re
import uuid
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace

from bot import cards, choices, commands, export, texts
from bot.app import App
from bot.consent import Held
from bot.conversation import Conversation
from bot.entrance import Entrance
from bot.errors import (
    AttachmentRefused,
    BotError,
    ConsentMissing,
    EarlierPending,
    EngineUnavailable,
    LessonRefused,
    NotAllowed,
)  # fmt: skip
from bot.feedback import Opinions, is_correction
from bot.following import Following
from bot.lessons import Teaching
from bot.limits import Limits
from bot.messages import Answer, Choice, Inbound, InboundMessage, Notice, Reaction, Trouble
from bot.packs import Sharing
from bot.pages import Pages
from bot.platforms.base import ChatPlatform, Undeliverable
from bot.provenance import Provenance
from bot.rebuilds import Rebuilds
from bot.switch import Switch
from storage.errors import StorageError
from storage.records import ExchangeRecord, LessonRecord, RebuildRecord, UserRecord
from storage.repositories.base import Clock, utc_now
from trainer.errors import TrainerError
from trainer.sources.intent import Kind

log = logging.getLogger(__name__)

_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")


def short_id() -> str:
    """Eight characters that find an error in the log."""
    return uuid.uuid4().hex[:8]


class Router:
    """The core behind one platform."""

    def __init__(
        self, app: App, platform: ChatPlatform, following: Following,
        *, now: Clock = utc_now, new_id: Callable[[], str] = short_id,
    ) -> None:  # fmt: skip
        self._app = app
        self._platform = platform
        self._following = following
        self._conversation = Conversation(app)
        self._teaching = Teaching(app)
        self._rebuilds = Rebuilds(app)
        self._opinions = Opinions(app, self._teaching, now)
        self._entrance = Entrance()
        self._held = Held()
        self._unclear = Held()  # lessons of which it is not clear whether they mean the web
        self._secret = Held()  # lessons and corrections with a secret in them
        self._provenance = Provenance(app)
        self._sharing = Sharing(app, self._teaching)
        self._limits = Limits(app, now)
        self._switch = Switch(app.settings.data)
        self._pages = Pages(app, self._limits, self._switch)
        self._now = now
        self._new_id = new_id

    @property
    def busy(self) -> bool:
        """Whether a lesson is being learned or an answer owed."""
        return self._following.busy

    async def idle(self) -> None:
        """Wait until no lesson is being learned and no answer is owed."""
        await asyncio.to_thread(self._opinions.hurry, self._following.waiting())
        await self._following.idle()

    async def choices(self, platform: str, external_user_id: str, command: str, typed: str) -> tuple[Choice, ...]:
        """What the argument of a command may be, given what is typed of it."""
        return await asyncio.to_thread(choices.choices, self._app, platform, external_user_id, command, typed)

    async def answer(self, platform: str, message_id: str) -> str | None:
        """The whole answer that ends with that message; None where it shows none."""
        exchange = await asyncio.to_thread(self._app.repositories.exchanges.by_reply, platform, message_id)
        return exchange.answer if exchange is not None else None

    async def home(self, platform: str, external_user_id: str) -> tuple[Notice, ...]:
        """A person's own page: their model, their lessons, their day's limits, and what is kept."""
        return await self._pages.home(platform, external_user_id)

    async def handle(self, inbound: Inbound) -> None:
        """Do what the event asks for; what cannot be done is said, with an id that is also in the log."""
        try:
            if isinstance(inbound, Reaction):
                await self._react(inbound)
            else:
                async with self._entrance.of(inbound):
                    await self._obey(inbound)
        except (BotError, StorageError, TrainerError) as error:
            identifier = self._new_id()
            log.info("an event was refused, id=%s error=%s", identifier, type(error).__name__)
            await self._platform.send(inbound.channel, Trouble(error.user_message, identifier), inbound.message_id)
        except Undeliverable as error:
            log.error("a reply could not be shown, error=%s", error)
        except Exception:
            identifier = self._new_id()
            log.exception("an event failed, id=%s", identifier)
            await self._platform.send(inbound.channel, Trouble(texts.bug(identifier), identifier), inbound.message_id)

    async def _obey(self, message: InboundMessage) -> None:
        if not (message.operator or message.admin or await asyncio.to_thread(lambda: self._switch.is_on)):
            raise NotAllowed(texts.SWITCHED_OFF)
        user = await asyncio.to_thread(self._app.repositories.users.identify, message.platform, message.external_user_id, message.user_name)
        if message.meant_for not in (None, user.id):
            raise NotAllowed(texts.NOT_YOURS)
        try:
            await self._follow(user, message, commands.parse(message.text))
        except ConsentMissing:
            self._held.hold(user.id, message)
            await self._platform.send(message.channel, cards.consent(user), message.message_id)

    async def _follow(self, user: UserRecord, message: InboundMessage, command: commands.Command) -> None:
        match command:
            case commands.Chat(text):
                await self._chat(user, message, text)
            case commands.Learn(text, kind):
                await self._learn(user, message, text, kind)
            case commands.LearnAnyway(wanted):
                await self._learn_anyway(user, message, wanted=wanted)
            case commands.Approve(number):
                await self._go_on(await asyncio.to_thread(self._teaching.approve, user, number))
            case commands.Drop(number, source):
                await self._drop(user, message, number, source)
            case commands.Refresh(number):
                await asyncio.to_thread(self._limits.require_lesson, user, message)
                lesson, is_new = await asyncio.to_thread(self._teaching.refresh, user, message, number)
                await self._go_on(lesson, is_new=is_new)
            case commands.React():
                await self._opine(user, message, command)
            case commands.Why():
                await self._show(message, Notice(await self._provenance.why(user, message), private=True))
            case commands.Share(numbers, confirmed):
                await self._share(user, message, numbers, confirmed=confirmed)
            case commands.Offer(code):
                await self._show(message, await asyncio.to_thread(self._sharing.offer, code))
            case commands.Take(code):
                await self._take(user, message, code)
            case commands.Unshare(code):
                await self._say(message, await asyncio.to_thread(self._sharing.withdraw, user, code))
            case commands.Lessons(page):
                lessons = await asyncio.to_thread(self._app.repositories.lessons.of_user, user.id)
                await self._show(message, cards.lessons(user, lessons, page, self._now()))
            case commands.Model():
                await self._show(message, await self._pages.versions(user, drawn=not message.operator))  # a terminal shows no pictures
            case commands.Compare(question, versions):
                await self._compare(user, message, question, versions)
            case commands.Rollback(number):
                await self._say(message, await asyncio.to_thread(self._teaching.roll_back, user, number))
            case commands.Forget(number):
                await self._remake(message, await asyncio.to_thread(self._rebuilds.forget, user, message, number))
            case commands.Rebuild():
                await asyncio.to_thread(self._limits.require_training, user, message)
                await self._remake(message, await asyncio.to_thread(self._rebuilds.rebuild, user, message))
            case commands.Cancel(number):
                await self._cancel(user, message, number)
            case commands.NewConversation():
                await asyncio.to_thread(self._app.repositories.conversations.new, user.id, message.platform, message.channel)
                await self._say(message, texts.NEW_CONVERSATION)
            case commands.Export(directory):
                await self._export(user, message, directory)
            case commands.DeleteMe(confirmed):
                await self._delete(user, message, confirmed)
            case commands.Agree():
                await self._agree(user, message)
            case commands.Stop():
                if not self._conversation.stop(user, message):
                    raise BotError(texts.NOTHING_TO_STOP)
            case commands.Again():
                await self._again(user, message)
            case commands.Privacy():
                await self._show(message, self._pages.privacy(user))
            case commands.Admin(what):
                await self._show(message, await self._pages.administer(message, what))
            case commands.AttachFile():
                await self._say(message, texts.ATTACH_ELSEWHERE)
            case commands.Help():
                await self._show(message, await self._pages.help(user, message))
            case commands.Malformed(reason):
                raise BotError(reason)

    async def _chat(self, user: UserRecord, message: InboundMessage, text: str) -> None:
        question = _CONTROL.sub("", text).strip()
        if message.attachments:
            raise BotError(texts.ATTACH_WITH_LEARN)
        if not question:
            raise BotError(" ".join(message.skipped) or texts.NOTHING_SAID)
        if opinion := await asyncio.to_thread(self._opinions.answered, user, message, question):
            await self._say(message, opinion.text)
            await self._take_up(opinion.lesson)
            return
        await asyncio.to_thread(self._limits.require_message, user, message)
        exchange = await self._conversation.receive(user, message, question)
        if exchange is not None:
            await self._answer(message, exchange, again=False)
            if message.skipped:
                await self._say(message, " ".join(message.skipped))

    async def _again(self, user: UserRecord, message: InboundMessage) -> None:
        await asyncio.to_thread(self._limits.require_message, user, message)
        exchange = await self._conversation.receive_again(user, message)
        if exchange is not None:
            await self._answer(message, exchange, again=True)

    async def _answer(self, message: InboundMessage, exchange: ExchangeRecord, *, again: bool) -> None:
        self._entrance.leave(message)
        quoted = message.quoted  # an answer of the user's own is in the history anyway
        goes_on: bool = await asyncio.to_thread(self._conversation.goes_on, exchange.user_id, message)
        if goes_on:
            quoted = None

        async def show(pieces: AsyncIterator[str | Answer]) -> None:
            shown = await self._platform.stream(message.channel, pieces, message.message_id)
            if shown is not None:
                await self._following.shows(exchange.id, shown)

        try:
            await self._conversation.answer(exchange, show, quoted=quoted, again=again)
        except (EngineUnavailable, EarlierPending) as error:
            self._following.exchange(exchange.id, message.channel)
            if await self._conversation.waits(exchange):  # else it was answered elsewhere while we were cut off
                await self._say(message, texts.WAITING_BEHIND if isinstance(error, EarlierPending) else texts.WAITING)

    async def _learn(self, user: UserRecord, message: InboundMessage, text: str, kind: Kind | None, *, confirmed: bool = False) -> None:
        if kind is not None and not text:  # the answer to the question below
            unclear = self._unclear.release(user.id)
            if unclear is None:
                raise LessonRefused(texts.NOTHING_UNCLEAR)
            message, text = unclear, commands.taught(unclear.text)
        if message.foreign:
            raise LessonRefused(texts.NOT_YOUR_WORDS)
        if message.skipped:
            raise AttachmentRefused(" ".join(message.skipped))
        await asyncio.to_thread(self._limits.require_lesson, user, message)
        await asyncio.to_thread(self._teaching.require_consent, user, message)
        kind = kind or (self._teaching.kind_of(message, text) if text or message.attachments else "instruction")
        if kind is None:
            self._teaching.require_teachable(text)
            kind = await self._conversation.source_of(text)
        if kind is None:
            self._unclear.hold(user.id, message)
            await self._show(message, cards.which_source(user))
            return
        if not confirmed and await self._asks_about_secrets(user, message, text, kind):
            return
        lesson, is_new = await asyncio.to_thread(self._teaching.submit, user, message, text, kind)
        await self._go_on(lesson, is_new=is_new)

    async def _asks_about_secrets(self, user: UserRecord, message: InboundMessage, text: str, kind: Kind | None = None) -> bool:
        """Whether there is something secret in what is to be learned; then its author is asked before anything of it is stored."""
        found = await asyncio.to_thread(self._teaching.secrets_in, text)
        if found:
            commanding = {"web": f"/search {text}", "instruction": f"/remember {text}"}  # not to be asked again which is meant
            named = commanding.get(kind or "", message.text)
            self._secret.hold(user.id, replace(message, text=named))
            await self._show(message, cards.secret(user, found))
        return bool(found)

    async def _learn_anyway(self, user: UserRecord, message: InboundMessage, *, wanted: bool) -> None:
        held = self._secret.release(user.id)
        if held is None:
            raise LessonRefused(texts.NOTHING_TO_CONFIRM)
        await self._show(message, Notice(texts.LEARNING_ANYWAY if wanted else texts.LESSON_DROPPED, in_place=True))
        match commands.parse(held.text) if wanted else None:
            case commands.Learn(text, kind):
                await self._learn(user, held, text, kind, confirmed=True)
            case commands.React() as command:
                await self._opine(user, held, command, confirmed=True)

    async def _go_on(self, lesson: LessonRecord, *, is_new: bool = True) -> None:
        try:
            if is_new:
                await self._following.work(lesson)
        finally:  # followed first, or its first events would be missed; but learned even where it cannot be shown
            await asyncio.to_thread(self._teaching.begin, lesson)

    async def _share(self, user: UserRecord, message: InboundMessage, numbers: Sequence[int], *, confirmed: bool) -> None:
        if numbers:
            await self._show(message, await asyncio.to_thread(self._sharing.share, user, numbers, confirmed=confirmed))
        else:
            await self._show(message, Notice(await asyncio.to_thread(self._sharing.overview, user), private=True))

    async def _take(self, user: UserRecord, message: InboundMessage, code: str) -> None:
        await asyncio.to_thread(self._limits.require_lesson, user, message)
        said, lessons = await asyncio.to_thread(self._sharing.take, user, message, code)
        await self._say(message, said)
        for lesson in lessons:
            await self._go_on(lesson)

    async def _drop(self, user: UserRecord, message: InboundMessage, number: int, source: int) -> None:
        left = await asyncio.to_thread(self._teaching.drop, user, number, source)
        samples = await asyncio.to_thread(self._teaching.samples, left) if left else []
        await self._show(message, cards.approval(left, samples) if left else Notice(texts.all_dropped(number)))

    async def _opine(self, user: UserRecord, message: InboundMessage, command: commands.React, *, confirmed: bool = False) -> None:
        if command.correction and message.foreign:
            raise LessonRefused(texts.NOT_YOUR_WORDS)
        if is_correction(command):
            await asyncio.to_thread(self._limits.require_training, user, message)
        if command.correction and not confirmed and await self._asks_about_secrets(user, message, command.correction):
            return
        opinion = await asyncio.to_thread(self._opinions.react, user, message, command)
        await self._show(message, Notice(opinion.text, opinion.actions, user.id))
        await self._take_up(opinion.lesson)

    async def _take_up(self, correction: LessonRecord | None) -> None:
        """Have learned what came of an opinion, where something did."""
        if correction is not None:
            try:
                await self._following.work(correction)
            finally:
                await asyncio.to_thread(self._opinions.begin, correction)

    async def _remake(self, message: InboundMessage, asked: RebuildRecord | str) -> None:
        if isinstance(asked, str):
            await self._say(message, asked)
            return
        try:
            await self._following.work(asked)
        finally:
            await asyncio.to_thread(self._rebuilds.begin, asked)

    async def _compare(self, user: UserRecord, message: InboundMessage, question: str, versions: tuple[int, ...]) -> None:
        await asyncio.to_thread(self._limits.require_message, user, message)
        answers = await self._conversation.compare(user, question, versions)
        await self._show(message, Notice(texts.comparison(answers), private=True))

    async def _agree(self, user: UserRecord, message: InboundMessage) -> None:
        await asyncio.to_thread(self._teaching.agree, user)
        held = self._held.release(user.id)
        await self._show(message, Notice(texts.AGREED_GOING_ON if held else texts.AGREED, in_place=True))
        if held is not None:
            await self._follow(user, held, commands.parse(held.text))

    async def _cancel(self, user: UserRecord, message: InboundMessage, number: int | None) -> None:
        lessons = [each.number for each in await asyncio.to_thread(self._teaching.cancel, user, number)]
        rebuilds = [each.number for each in await asyncio.to_thread(self._rebuilds.cancel, user, number)]
        await self._show(message, Notice(texts.cancelled(lessons, rebuilds) if lessons or rebuilds else texts.NOTHING_TO_CANCEL, private=True))
        await self._following.look()

    async def _export(self, user: UserRecord, message: InboundMessage, directory: str | None) -> None:
        if message.operator:
            exported = await asyncio.to_thread(export.export, self._app, user, directory, self._now())
        else:
            exported = await asyncio.to_thread(export.package, self._app, user, self._platform.biggest_file)
        await self._show(message, exported)

    async def _delete(self, user: UserRecord, message: InboundMessage, confirmed: bool) -> None:
        if not confirmed:
            await self._show(message, cards.deletion(user))
            return
        for held in (self._held, self._unclear, self._secret):
            held.release(user.id)
        await export.delete(self._app, user)
        await self._following.look()
        await self._show(message, Notice(texts.deleted(user.name), private=True))

    async def _react(self, reaction: Reaction) -> None:
        users = self._app.repositories.users
        user = await asyncio.to_thread(users.find, reaction.platform, reaction.external_user_id)
        if user is None:  # a passer-by, of whom nothing need be stored
            return
        opinion = await asyncio.to_thread(self._opinions.react_to_message, user, reaction)
        if opinion is not None:
            shown = Notice(opinion.text, opinion.actions, user.id, quiet=True)
            await self._platform.send(reaction.channel, shown, reaction.message_id)
            await self._take_up(opinion.lesson)
            await self._following.look()  # it may have cancelled a correction that waits

    async def _say(self, message: InboundMessage, text: str) -> None:
        await self._show(message, Notice(text))

    async def _show(self, message: InboundMessage, notice: Notice) -> None:
        await self._platform.send(message.channel, notice, message.message_id)
