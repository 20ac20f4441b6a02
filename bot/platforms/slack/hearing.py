"""The app as Bolt sees it: hears Slack's events and hands them over as what they mean to the core."""

from __future__ import annotations

import logging
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any

from slack_bolt.async_app import AsyncAck, AsyncApp, AsyncBoltContext
from slack_sdk.webhook.async_client import AsyncWebhookClient

from bot import commands, texts
from bot.messages import Inbound
from bot.platforms.base import Undeliverable
from bot.platforms.slack import blocks, modals, words
from bot.platforms.slack.access import Access
from bot.platforms.slack.calls import once
from bot.platforms.slack.modals import Origin
from bot.platforms.slack.places import Place, of
from bot.platforms.slack.reading import Reading, shown
from bot.platforms.slack.turns import InteractionTurn, Turn
from bot.platforms.slack.workspaces import Workspaces

log = logging.getLogger(__name__)

COMMAND = "/tutee"  # any other command behind it, for where another app has taken that one's name
TEACH, TEACH_FROM = "teach", "teach_from"  # callback ids of the shortcuts

HandOver = Callable[[Turn, Inbound, str], Awaitable[None]]
ShowHome = Callable[[str, str], Awaitable[None]]
Body = Mapping[str, Any]


class Hearing:
    """`hand_over` takes each event with an id that stays the same when it is delivered again, `show_home` a team and a user."""

    def __init__(self, app: AsyncApp, workspaces: Workspaces, access: Access, hand_over: HandOver, show_home: ShowHome) -> None:
        self._workspaces = workspaces
        self._reading = Reading(workspaces, access)
        self._access = access
        self._hand_over = hand_over
        self._show_home = show_home
        # Of Bolt's own clients none is used: they name the workspace in every call, which methods for one workspace do not know.
        for name in ("message", "app_mention"):
            app.event(name)(self._said)
        for name in ("reaction_added", "reaction_removed"):
            app.event(name)(self._reacted)
        if app.installation_store is not None:  # app_uninstalled and tokens_revoked end an installation
            app.enable_token_revocation_listeners()
        app.event("agent_session_stopped")(self._stopped)
        app.event("app_home_opened")(self._home_opened)
        app.event(re.compile(".*"))(self._ignored)
        app.command(re.compile("/.+"))(self._commanded)
        app.action(re.compile("tutee:.+"))(self._pressed)
        app.shortcut(TEACH)(self._teach)
        app.shortcut(TEACH_FROM)(self._teach_from)
        app.view(modals.ASK)(self._asked)
        app.view(modals.TEACH)(self._taught)

    async def _said(self, context: AsyncBoltContext, event: Body) -> None:
        team = _team(context)
        if not await self._reading.is_for_us(team, event):
            return
        if self._access.allows(event["user"], Place(team, event["channel"])):
            message = await self._reading.message(team, event)
            # A mention comes as two events: what is the same in both is the message.
            await self._hand_over(Turn(event["user"], of(message.channel)), message, message.message_id)

    async def _reacted(self, context: AsyncBoltContext, body: Body, event: Body) -> None:
        reaction = await self._reading.reaction(_team(context), event)
        if reaction is not None and self._access.allows(event["user"], of(reaction.channel)):
            await self._hand_over(Turn(event["user"], of(reaction.channel)), reaction, body["event_id"])

    async def _stopped(self, context: AsyncBoltContext, body: Body, event: Body) -> None:
        place = Place(_team(context), event["channel"], event.get("thread_ts"))
        message = await self._reading.inbound(place, event["user"], f"stop:{body['event_id']}", "/stop")
        await self._hand_over(Turn(event["user"], place), message, body["event_id"])

    async def _home_opened(self, context: AsyncBoltContext, event: Body) -> None:
        if event.get("tab") == "home":
            await self._show_home(_team(context), event["user"])

    async def _ignored(self) -> None:
        """Everything else that the app may be subscribed to."""

    async def _commanded(self, ack: AsyncAck, context: AsyncBoltContext, body: Body) -> None:
        """A slash command. It belongs to its author's direct messages, wherever it was written: Slack shows it to nobody else."""
        await ack()
        team, user = _team(context), body["user_id"]
        here = Place(team, body["channel_id"])
        line = _line(body["command"], await self._reading.words(team, body.get("text", "")))
        place = await self._reading.direct(team, user)
        origin = Origin(str(place), response_url=body["response_url"], is_public=here != place)
        if not self._access.allows(user, here):
            await self._turn_away(body["response_url"])
        elif line.rstrip() == "/learn":
            await self._open(_team(context), body, modals.teaching(origin))
        elif line.rstrip() in texts.ASKS:
            await self._open(_team(context), body, modals.asking(replace(origin, command=line.rstrip())))
        else:
            await self._ask(origin, user, f"command:{body['trigger_id']}", line)

    async def _pressed(self, ack: AsyncAck, context: AsyncBoltContext, body: Body, action: Body) -> None:
        """A button was pressed, also one of an earlier process."""
        await ack()
        command, asks, owner = blocks.pressed(action["value"])
        origin = replace(await self._origin(_team(context), body), owner=owner, command=command)
        if not self._access.allows(body["user"]["id"], of(origin.channel)):
            await self._turn_away(origin.response_url)
        elif command == "/learn":
            await self._open(_team(context), body, modals.teaching(origin))
        elif asks:
            said = shown(body.get("message", {})) if command.startswith("/react") else ""
            await self._open(_team(context), body, modals.asking(origin, said))
        else:
            await self._ask(origin, body["user"]["id"], f"action:{body['trigger_id']}", command)

    async def _teach(self, ack: AsyncAck, context: AsyncBoltContext, body: Body) -> None:
        """The shortcut that is there everywhere."""
        await ack()
        place = await self._reading.direct(_team(context), body["user"]["id"])
        await self._open(_team(context), body, modals.teaching(Origin(str(place))))

    async def _teach_from(self, ack: AsyncAck, context: AsyncBoltContext, body: Body) -> None:
        """The shortcut of a message: a form with one's own words or the bot's, and nothing of anybody else's."""
        await ack()
        team, user, message = _team(context), body["user"]["id"], body["message"]
        here = Place(team, body["channel"]["id"])
        place = await self._reading.direct(team, user)
        said = await self._reading.said(team, message)
        origin = Origin(str(place), response_url=body.get("response_url"), is_public=here != place)
        if not self._access.allows(user, here):
            await self._turn_away(origin.response_url)
        elif await self._reading.is_own(team, user, message):
            files = tuple(str(each["id"]) for each in message.get("files", [])[: modals.MOST_FILES])
            learn = commands.parse(said)
            given = learn.text if isinstance(learn, commands.Learn) else said
            await self._open(_team(context), body, modals.teaching(replace(origin, files=files), given))
        else:
            await self._ask(origin, user, f"shortcut:{body['trigger_id']}", f"[Learn] {said}", foreign=True)

    async def _asked(self, ack: AsyncAck, body: Body, view: Body) -> None:
        """The rest of a line was given."""
        await ack()
        origin = modals.origin(view)
        await self._ask(origin, body["user"]["id"], f"form:{view['id']}", modals.answered(view))

    async def _taught(self, ack: AsyncAck, body: Body, view: Body) -> None:
        """The form for a lesson was filled in."""
        await ack()
        origin = modals.origin(view)
        line, files = modals.lesson(view)
        attachments, skipped = await self._reading.files(of(origin.channel).team, origin.files, files)
        await self._ask(origin, body["user"]["id"], f"form:{view['id']}", line, attachments=attachments, skipped=skipped)

    async def _ask(self, origin: Origin, user: str, event_id: str, line: str, **more: Any) -> None:
        """Hand over what was asked for by other means than a message."""
        place = of(origin.channel)
        message = await self._reading.inbound(place, user, event_id, line, reply_to=origin.reply_to, meant_for=origin.owner, **more)
        turn = InteractionTurn(user, place, origin.response_url, origin.reply_to, is_public=origin.is_public, is_home=origin.is_home)
        await self._hand_over(turn, message, event_id)

    async def _origin(self, team: str, body: Body) -> Origin:
        """Where a pressed button is. A card that only its reader sees belongs to their direct messages."""
        user, container = body["user"]["id"], body["container"]
        if container["type"] == "view":
            place = await self._reading.direct(team, user)
            return Origin(str(place), is_home=True)
        here = Place(team, container["channel_id"], container.get("thread_ts"))
        card, place, is_public = here.message_id(container["message_ts"]), here, not here.is_private
        if container.get("is_ephemeral"):  # it may stand where the bot cannot write, also between two other people
            place = await self._reading.direct(team, user)
            is_public = here.channel != place.channel
        return Origin(str(place), card, body.get("response_url"), is_public)

    async def _open(self, team: str, body: Body, view: blocks.Block) -> None:
        try:
            client = (await self._workspaces.of(team)).client
            await once(lambda: client.views_open(trigger_id=body["trigger_id"], view=view))
        except Undeliverable as error:  # Slack gives three seconds
            log.warning("a form could not be opened, error=%s", error)

    async def _turn_away(self, response_url: str | None) -> None:
        if response_url:
            await AsyncWebhookClient(response_url).send(text=words.escaped(texts.NOT_HERE), response_type="ephemeral")


def _team(context: AsyncBoltContext) -> str:
    """The workspace in which the app is installed that this came to, also in channels that are shared with others."""
    return context.team_id or ""


def _line(command: str, text: str) -> str:
    """The line that a slash command stands for."""
    if command == COMMAND:
        name, _, rest = text.removeprefix("/").partition(" ")
        if not name:
            return "/help"
        if name not in texts.COMMANDS:
            return text
        command, text = f"/{name}", rest.strip()
    if command == "/lessons" and not text:
        return "/lessons 1"
    return text if command == "/ask" else f"{command} {text}".rstrip()
