"""What is kept of Slack's workspaces: in the tables that Slack's SDK expects, sealed, for as long as it counts."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.fernet import Fernet
from slack_sdk.oauth.installation_store.models.installation import Installation
from slack_sdk.oauth.installation_store.sqlalchemy import SQLAlchemyInstallationStore
from sqlalchemy import text

from bot.platforms.slack.installations import CLEAR, STATE_SECONDS, Installations, States, WrongKey, is_key
from storage.models import Base
from storage.session import Database
from tests.storage_fixtures import at_once

NEW, OLD = Fernet.generate_key().decode(), Fernet.generate_key().decode()


def installation(team: str, token: str) -> Installation:
    return Installation(
        app_id="A1", team_id=team, team_name=f"Team {team}", user_id="U1", bot_token=token, bot_id="B1", bot_user_id="UBOT",
        bot_scopes=["chat:write", "commands"], token_type="bot",
    )  # fmt: skip


def test_the_tables_have_the_columns_that_the_sdk_writes(database: Database) -> None:
    store = SQLAlchemyInstallationStore("C1", database.engine)
    for table in (store.bots, store.installations):
        assert set(table.c.keys()) == set(Base.metadata.tables[table.name].c.keys())


async def test_the_newest_installation_counts_and_only_ids_can_be_read(database: Database) -> None:
    installations = Installations(database, "C1", NEW)
    for team, token in (("T1", "xoxb-old"), ("T2", "xoxb-other"), ("T1", "xoxb-new")):
        await installations.async_save(installation(team, token))
    found = await installations.of("T1")
    assert found is not None and (found.token, found.bot, found.name) == ("xoxb-new", "UBOT", "Team T1") and "xoxb" not in repr(found)
    assert [each.team for each in installations.all()] == ["T2", "T1"]
    bot = await installations.async_find_bot(enterprise_id=None, team_id="T2")
    assert bot is not None and (bot.bot_token, bot.bot_scopes) == ("xoxb-other", ["chat:write", "commands"])
    assert await Installations(database, "C2", NEW).of("T1") is None  # another app's
    with database.engine.connect() as connection:
        for table in ("slack_bots", "slack_installations"):
            for row in connection.execute(text(f"SELECT * FROM {table}")).mappings():
                words = {name: value for name, value in row.items() if isinstance(value, str) and name not in (*CLEAR, "installed_at")}
                assert "bot_token" in words and all(each.startswith("gAAAAA") for each in words.values()), words


async def test_keys_are_changed_by_putting_the_new_one_in_front(database: Database) -> None:
    await Installations(database, "C1", OLD).async_save(installation("T1", "xoxb-1"))
    with pytest.raises(WrongKey):
        await Installations(database, "C1", NEW).of("T1")
    both = Installations(database, "C1", f"{NEW},{OLD}")
    assert (await both.of("T1")) is not None
    await both.async_save(installation("T2", "xoxb-2"))
    assert (await Installations(database, "C1", NEW).of("T2")) is not None
    assert is_key(NEW) and is_key(f"{NEW}, {OLD}") and not any(map(is_key, ("", "short", f"{NEW},no")))


async def test_a_begun_installation_ends_once_and_in_time(database: Database) -> None:
    now = [datetime(2026, 1, 1, tzinfo=UTC)]
    states = States(database, lambda: now[0])
    first, second = await states.async_issue(), await states.async_issue()
    assert first != second and not await states.async_consume("guessed")
    raced = await states.async_issue()
    assert sorted(await asyncio.to_thread(at_once, lambda _: asyncio.run(states.async_consume(raced)), 4)) == [False, False, False, True]
    assert [await states.async_consume(first) for _ in range(2)] == [True, False]
    now[0] += timedelta(seconds=STATE_SECONDS + 1)
    assert not await states.async_consume(second)
    await states.async_issue()
    with database.engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM slack_oauth_states")).scalar() == 1  # late ones are swept out
