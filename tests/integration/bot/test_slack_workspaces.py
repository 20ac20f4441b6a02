"""Several workspaces: each installs the app by itself, is answered with its own token, and may take the app out again."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
from cryptography.fernet import Fernet
from sqlalchemy import select

from bot import texts
from bot.platforms.slack.checks import check
from storage.models import SlackBot, SlackInstallation, SlackState
from tests.bot_fixtures import Install
from tests.fakes.slack.fake import FakeSlack
from tests.fakes.slack.oauth import Browser
from tests.slack_world import KEY, Watched, answered, free_port, installs, running, settings, several, shows


def rows(install: Install, *kinds: type[Any]) -> int:
    with install.database.reading() as session:
        return sum(len(session.scalars(select(kind)).all()) for kind in kinds or (SlackBot, SlackInstallation))


@asynccontextmanager
async def app(install: Install, **changes: Any) -> AsyncIterator[tuple[FakeSlack, int, Watched]]:
    """An app with its pages, which nobody has installed yet; in the end Slack must have nothing to complain about."""
    port = free_port()
    async with FakeSlack() as fake:
        async with running(install, fake, **several(fake, port) | changes) as bot:
            yield fake, port, bot
        assert fake.violations == []


async def test_each_workspace_is_answered_with_its_own_token(install: Install, caplog: pytest.LogCaptureFixture) -> None:
    """The fake takes a token only for what belongs to the token's workspace."""
    caplog.set_level(logging.DEBUG)
    install.engine.answers |= {"First": "One.", "Second": "Two."}
    async with app(install) as (fake, port, _):
        teams = [fake.world.team("Ants"), fake.world.team("Bees")]
        for team in teams:
            await installs(fake, port, team)
        adas = [fake.person("ada", team) for team in teams]
        for ada, text, said in zip(adas, ("First", "Second"), ("One.", "Two."), strict=True):
            await ada.says(text)
            assert (await answered(fake, ada.direct)).shown == said
        place = fake.world.channel("general", team=teams[1].id)
        message = await adas[1].says("Second", place)
        assert (await answered(fake, place)).thread_ts == message.ts
        await adas[1].commands("/model", channel=place)
        assert (await shows(fake, "The untaught model answers you.")).seen_by == adas[1].id
        await adas[0].opens_home()
        await fake.until(lambda: adas[0].id in fake.world.homes)
        tokens = [team.token or "" for team in teams]
    assert install.stored.users.count() == 2
    stored = b"".join(path.read_bytes() for path in install.folder.glob("tutee.db*"))
    logged = "\n".join(f"{record.getMessage()} {record.__dict__}" for record in caplog.records)
    for secret in (*tokens, "Ants", fake.client_secret, KEY):
        assert secret and secret.encode() not in stored and secret not in logged
    assert teams[0].id.encode() in stored and "a workspace has installed the app" in logged


async def test_what_one_process_was_given_another_one_uses(install: Install) -> None:
    """Also outside of any event: a lesson's progress goes on in the second workspace after a restart."""
    async with app(install) as (fake, port, _):
        team = fake.world.team("Ants")
        await installs(fake, port, team)
        ada = fake.person("ada", team)
        user = install.stored.users.identify("slack", f"{team.id}:{ada.id}", "ada")
        install.stored.users.record_consent(user.id, texts.CONSENT_VERSION)
        await ada.says("[Learn] Our office cat is called Miso.")
        progress = await answered(fake, ada.direct)
        install.train()
        async with running(install, fake, **several(fake, port) | {"install_port": 0}):  # events come over the newest connection
            await shows(fake, "is live")
            await ada.says("Hello")
            await answered(fake, ada.direct, count=2)
        assert fake.said(ada.direct)[0] is progress


@pytest.mark.parametrize("ending", ["app_uninstalled", "tokens_revoked"])
async def test_a_workspace_that_takes_the_app_out_is_forgotten(install: Install, ending: str) -> None:
    async with app(install) as (fake, port, bot):
        team, other = fake.world.team("Ants"), fake.world.team("Bees")
        for each in (team, other):
            await installs(fake, port, each)
        del fake.server.tokens[team.token or ""]
        event: dict[str, Any] = {"type": ending}
        if ending == "tokens_revoked":
            event["tokens"] = {"oauth": [], "bot": [team.bot]}
        await fake.event(event, team=team)
        await fake.person("ada", team).says("Hello")
        await fake.person("bob", other).says("Hello")
        await answered(fake, fake.person("bob", other).direct)
        await bot.deals_with(1)
        assert rows(install) == 2 and fake.said(fake.person("ada", team).direct) == []
        await installs(fake, port, team)
        await fake.person("ada", team).says("Hello again")
        await answered(fake, fake.person("ada", team).direct)


async def test_an_installation_ends_once_in_the_browser_where_it_began(install: Install) -> None:
    async with app(install) as (fake, port, _):
        team, base = fake.world.team("Ants"), f"http://127.0.0.1:{port}"
        browser = Browser(base)
        back = fake.server.oauth.agree(await browser.begins(), team)
        assert (await Browser(base).comes_back(back))[0] == 400  # another browser
        assert (await browser.comes_back(back.replace("code.", "guess.")))[0] == 401
        assert (await browser.comes_back(back))[0] == 401  # that was its end
        assert (await browser.comes_back(f"{back.partition('?')[0]}?error=access_denied"))[0] == 200
        assert rows(install, SlackBot, SlackInstallation, SlackState) == 0


async def test_a_workspace_that_is_not_listed_cannot_install_the_app(install: Install) -> None:
    async with app(install, workspaces=("T0OTHER",)) as (fake, port, _):
        browser = Browser(f"http://127.0.0.1:{port}")
        back = fake.server.oauth.agree(await browser.begins(), fake.world.team("Ants"))
        assert await browser.comes_back(back) == (403, texts.SLACK_NOT_LISTED)
        assert rows(install) == 0


async def test_by_http_the_pages_are_where_the_events_are(install: Install) -> None:
    port = free_port()
    async with FakeSlack() as fake:
        fake.posts_to = f"http://127.0.0.1:{port}/slack/events"
        async with running(install, fake, **several(fake, port) | {"install_port": 0, "port": port, "app_token": None}):
            team, stranger = fake.world.team("Ants"), fake.world.team("Bees")
            await installs(fake, port, team)
            await fake.person("eve", stranger).says("Hello")  # from a workspace without the app: nobody to answer as
            await fake.person("ada", team).says("Hello")
            await answered(fake, fake.person("ada", team).direct)
            assert len(fake.said()) == 1 and fake.socket.opened == 0
        assert fake.violations == []


async def test_the_doctor_looks_at_every_workspace(install: Install) -> None:
    async with app(install) as (fake, port, _):
        ours = settings(fake, **several(fake, port))

        def look(**changes: Any) -> list[tuple[str, str, str]]:
            return [(each.what, each.state, each.text) for each in check(replace(ours, **changes), install.database, fake.api)]

        (first, *_), url = await asyncio.to_thread(look), f"http://127.0.0.1:{port}"
        assert first == ("Slack", "note", texts.slack_installed((), url))
        for name in ("Ants", "Bees"):
            await installs(fake, port, fake.world.team(name))
        del fake.server.tokens[next(each.token for each in fake.world.teams.values() if each.name == "Bees") or ""]
        found = await asyncio.to_thread(look)
        assert [(what, state) for what, state, _ in found] == [
            ("Slack", "ok"), ("Slack Ants", "ok"), ("Slack Ants permissions", "ok"), ("Slack Bees", "broken"), ("Slack connection", "ok"),
        ]  # fmt: skip
        assert "Ants and Bees" in found[0][2] and "Install the app there again" in found[3][2]
        other = Fernet.generate_key().decode()
        changed = await asyncio.to_thread(look, encryption_key=other)
        assert changed[0] == ("Slack", "broken", texts.SLACK_KEY_CHANGED)
        both = await asyncio.to_thread(look, encryption_key=f"{other}, {KEY}")
        assert both == found
