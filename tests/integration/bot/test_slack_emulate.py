"""Against a Slack that others have written: posts, reactions, files, the home tab and an installation.

It does not play events, so what people do there is told to the bot by signed requests, in the words of its own answers.
"""

from __future__ import annotations

import html
import io
import re
import zipfile
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlencode

import aiohttp
import pytest
from slack_sdk.web.async_client import AsyncWebClient

from bot import texts
from tests import emulated
from tests.bot_fixtures import Install
from tests.fakes.slack.fake import FakeSlack
from tests.fakes.slack.oauth import Browser
from tests.fakes.slack.world import Team
from tests.slack_world import KEY, Watched, free_port, running

pytestmark = pytest.mark.skipif(emulated.missing() is not None, reason=emulated.missing() or "")

WORKSPACE = Team(emulated.TEAM, "Emulate", emulated.BOT, emulated.BOT_ID)


@pytest.fixture
def port() -> int:
    """Where the bot is heard."""
    return free_port()


@pytest.fixture
async def slack(port: int) -> AsyncIterator[str]:
    async with emulated.emulated(("ada", "bob"), f"http://127.0.0.1:{port}/slack/oauth_redirect") as address:
        yield address


class Ada:
    """Somebody in that workspace; `bot` hears of what she does at that port."""

    def __init__(self, slack: str, port: int, bot: Watched) -> None:
        self.client = AsyncWebClient("xoxp-ada", f"{slack}/api/")
        self._to = f"http://127.0.0.1:{port}/slack/events"
        self._bot = bot
        self._told = 0
        self.id = self.direct = ""

    async def arrives(self) -> None:
        self.id = (await self.client.auth_test())["user_id"]
        self.direct = (await self.client.conversations_open(users=emulated.BOT))["channel"]["id"]

    async def says(self, text: str) -> dict[str, Any]:
        message: dict[str, Any] = (await self.client.chat_postMessage(channel=self.direct, text=text))["message"]
        await self.tells({**message, "type": "message"})
        return message

    async def uploads(self, name: str, content: bytes, text: str) -> None:
        await self.client.files_upload_v2(filename=name, content=content, channel=self.direct, initial_comment=text)
        history = await self.client.conversations_history(channel=self.direct)
        message = next(each for each in history["messages"] if each.get("files"))
        await self.tells({**message, "type": "message", "subtype": "file_share"})

    async def reacts(self, ts: str, name: str) -> None:
        await self.client.reactions_add(channel=self.direct, timestamp=ts, name=name)
        await self.tells({"type": "reaction_added", "user": self.id, "reaction": name, "item": {"type": "message", "channel": self.direct, "ts": ts}})

    async def tells(self, event: dict[str, Any]) -> None:
        """The bot hears of it, and is done with it when this comes back."""
        self._told += 1
        told = self._bot.fake.envelope({"channel": self.direct, "channel_type": "im", **event}, f"Ev{self._told}", WORKSPACE)
        assert await self._bot.fake.post("events_api", told, to=self._to) == 200
        await self._bot.deals_with(self._told)

    async def sees(self, thread: str) -> list[dict[str, Any]]:
        """What the bot said there."""
        answer = await self.client.conversations_replies(channel=self.direct, ts=thread)
        return [each for each in answer["messages"] if each["user"] == emulated.BOT]


def by_http(slack: str, port: int) -> dict[str, Any]:
    return {"at": slack, "port": port, "app_token": None, "token": emulated.BOT_TOKEN}


async def test_a_message_is_answered_in_its_thread_and_a_reaction_counts(install: Install, slack: str, port: int) -> None:
    """It knows no streams, so the answer is posted and edited."""
    async with running(install, FakeSlack(), **by_http(slack, port)) as bot:
        ada = Ada(slack, port, bot)
        await ada.arrives()
        message = await ada.says("What is the cat called?")
        (answer,) = await ada.sees(message["ts"])
        assert answer["blocks"][0] == {"type": "markdown", "text": "I don't know."} and answer["text"] == "I don't know."
        await ada.reacts(answer["ts"], "+1")
        assert [each["text"] for each in await ada.sees(message["ts"])][1:] == [texts.THANKS_UP]
    (thumb,) = install.stored.feedback.of_user(1)
    assert thumb.kind == "up"


async def test_files_come_and_go(install: Install, slack: str, port: int) -> None:
    install.train()
    async with running(install, FakeSlack(), **by_http(slack, port)) as bot:
        ada = Ada(slack, port, bot)
        await ada.arrives()
        user = install.stored.users.identify("slack", f"{emulated.TEAM}:{ada.id}", "ada")
        install.stored.users.record_consent(user.id, texts.CONSENT_VERSION)
        await ada.uploads("cat.md", b"Miso is a cat.", "[Learn] read this")
        await bot.core.idle()
        assert install.materials(user.id) == ["Miso is a cat."]
        await ada.says("/export")
        listed = await ada.client.files_list()
        (export,) = (each for each in listed["files"] if each["name"].endswith(".zip"))
        async with (
            aiohttp.ClientSession(headers={"Authorization": "Bearer xoxp-ada"}) as session,
            session.get(export["url_private_download"]) as answer,
        ):
            packed = zipfile.ZipFile(io.BytesIO(await answer.read()))
        assert "lessons.jsonl" in packed.namelist()


async def test_the_home_tab_has_the_picture(install: Install, slack: str, port: int) -> None:
    async with running(install, FakeSlack(), **by_http(slack, port)) as bot:
        ada = Ada(slack, port, bot)
        await ada.arrives()
        user = install.stored.users.identify("slack", f"{emulated.TEAM}:{ada.id}", "ada")
        install.publish_version(user.id, [])
        await bot.show_home(emulated.TEAM, ada.id)
        bots = AsyncWebClient(emulated.BOT_TOKEN, f"{slack}/api/")
        (picture,) = (await bots.files_list())["files"]
        assert picture["mimetype"] == "image/png" and picture["size"] > 10_000
        async with aiohttp.ClientSession() as session, session.get(f"{slack}/?tab=views") as page:
            assert texts.HOME_TITLE in html.unescape(await page.text())


async def test_a_workspace_installs_the_app(install: Install, slack: str, port: int) -> None:
    public = f"http://127.0.0.1:{port}"
    changes: dict[str, Any] = {"client_id": emulated.CLIENT_ID, "client_secret": emulated.CLIENT_SECRET, "encryption_key": KEY, "public_url": public}
    async with running(install, FakeSlack(), **by_http(slack, port) | {"token": None}, **changes) as bot:
        browser = Browser(public)
        address = await browser.begins()
        async with aiohttp.ClientSession() as session:
            async with session.get(address) as answer:
                page = await answer.text()
            form = next(each for each in re.findall(r"<form.*?</form>", page, re.S) if "ada" in each)
            fields = {name: html.unescape(value) for name, value in re.findall(r'name="(\w+)" value="([^"]*)"', form)}
            headers = {"Content-Type": "application/x-www-form-urlencoded"}
            send = session.post(f"{slack}/oauth/v2/authorize/callback", data=urlencode(fields), headers=headers, allow_redirects=False)
            async with send as answer:
                back = answer.headers["Location"]
        status, _ = await browser.comes_back(back)
        assert status == 200
        ada = Ada(slack, port, bot)
        await ada.arrives()
        message = await ada.says("What is the cat called?")
        assert [each["text"] for each in await ada.sees(message["ts"])] == ["I don't know."]
