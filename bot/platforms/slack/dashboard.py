"""Keeps people's home tabs as their models are, with a picture that Slack holds for the bot."""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field

from bot import texts
from bot.messages import Attachment, Notice
from bot.platforms.base import Core, Undeliverable
from bot.platforms.slack import home
from bot.platforms.slack.calls import insist, once
from bot.platforms.slack.reading import NAME, external_id
from bot.platforms.slack.workspaces import Workspace, Workspaces

log = logging.getLogger(__name__)

REMEMBERED = 5_000  # tabs; for everybody else the picture is uploaded anew when they look


@dataclass(slots=True)
class _Tab:
    """One person's. `newest` is the number of the newest view, `file` the picture in it with that digest."""

    newest: int = 0
    digest: bytes = b""
    file: str | None = None
    uploading: asyncio.Lock = field(default_factory=asyncio.Lock)


class Dashboard:
    """`pauses` are those between tries, and between looks at whether Slack has taken in a picture: it does so after the upload."""

    def __init__(self, workspaces: Workspaces, pauses: Sequence[float]) -> None:
        self._workspaces = workspaces
        self._pauses = pauses
        self._tabs: OrderedDict[str, _Tab] = OrderedDict()

    async def show(self, core: Core, team: str, user: str, changed: Notice | None = None) -> None:
        """Show the tab: at once, and again when a new picture is there. Raises Undeliverable.

        `changed`: what was asked for in the tab; it stands where it can be turned over, like the pages of lessons.
        """
        workspace, tab = await self._workspaces.of(team), self._tab(external_id(team, user))
        tab.newest += 1
        number = tab.newest
        parts = list(await core.home(NAME, external_id(team, user)))
        if changed is not None:
            parts = [changed if each.in_place else each for each in parts]
        picture = next((each.picture for each in parts if each.picture is not None), None)
        is_new = picture is not None and tab.digest != _digest(picture)
        await self._publish(workspace, user, parts, None if is_new or picture is None else tab.file)
        if picture is None or not is_new:
            return
        try:
            old = await self._upload(workspace, tab, picture)
        except Undeliverable as error:
            log.warning("a picture could not be uploaded, error=%s", error)
            return
        if tab.newest == number:  # else the tab shows something newer by now, and that comes here as well
            await self._publish(workspace, user, parts, tab.file)
        if old is not None:
            await self._remove(workspace, old)

    def _tab(self, person: str) -> _Tab:
        tab = self._tabs.setdefault(person, _Tab())
        self._tabs.move_to_end(person)
        while len(self._tabs) > REMEMBERED:
            self._tabs.popitem(last=False)
        return tab

    async def _publish(self, workspace: Workspace, user: str, parts: Sequence[Notice], file: str | None) -> None:
        view = home.view(parts, file)
        await insist(lambda: workspace.client.views_publish(user_id=user, view=view), self._pauses)

    async def _upload(self, workspace: Workspace, tab: _Tab, picture: Attachment) -> str | None:
        """Have Slack keep the picture; the file that it takes the place of."""
        async with tab.uploading:
            if tab.digest == _digest(picture):  # somebody else was quicker
                return None
            answer = await insist(
                lambda: workspace.client.files_upload_v2(
                    filename=picture.name, title=picture.name, alt_txt=texts.PICTURE_OF_PROGRESS, content=picture.content
                ),
                self._pauses,
            )
            old, file = tab.file, str(answer["files"][0]["id"])
            for pause in self._pauses:
                told = await once(lambda: workspace.client.files_info(file=file))
                if told["file"].get("mimetype"):
                    break
                await asyncio.sleep(pause)
            else:
                raise Undeliverable("Slack does not take the picture in")
            tab.digest, tab.file = _digest(picture), file
            return old

    async def _remove(self, workspace: Workspace, file: str) -> None:
        """No tab shows the file any more."""
        try:
            await once(lambda: workspace.client.files_delete(file=file))
        except Undeliverable as error:
            log.info("a picture could not be deleted, error=%s", error)


def _digest(picture: Attachment) -> bytes:
    return hashlib.sha256(picture.content).digest()
