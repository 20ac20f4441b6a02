"""The fake Discord does to the real discord.py what Discord does, and notices what Discord would not accept."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import aiohttp
import discord
import pytest
from discord import app_commands
from discord.http import Route

from tests.fakes.discord import FakeDiscord, File, Message

NOBODY: dict[str, Any] = {"parse": []}


class Form(discord.ui.Modal, title="What should I have said?"):
    """A text that stands there already, and a file."""

    said: discord.ui.Label[Any] = discord.ui.Label(
        text="Better answer", component=discord.ui.TextInput(custom_id="said", default="as before", max_length=400)
    )
    files: discord.ui.Label[Any] = discord.ui.Label(text="Files", component=discord.ui.FileUpload(custom_id="files", required=False, max_values=2))

    async def on_submit(self, interaction: discord.Interaction) -> None:
        said, files = self.said.component, self.files.component
        assert isinstance(said, discord.ui.TextInput) and isinstance(files, discord.ui.FileUpload)
        contents = [(await each.read()).decode() for each in files.values]
        await interaction.response.send_message(f"{said.value} {contents}", ephemeral=True)


class Buttons(discord.ui.View):
    """Buttons that work for ever."""

    def __init__(self) -> None:
        super().__init__(timeout=None)

    @discord.ui.button(label="Stop", custom_id="stop")
    async def stop_it(self, interaction: discord.Interaction, button: discord.ui.Button[Any]) -> None:
        await interaction.response.edit_message(content="Stopped", view=None)

    @discord.ui.button(emoji="👎", custom_id="bad")
    async def bad(self, interaction: discord.Interaction, button: discord.ui.Button[Any]) -> None:
        await interaction.response.send_modal(Form())

    @discord.ui.select(
        custom_id="which",
        options=[discord.SelectOption(label="First", value="1"), discord.SelectOption(label="Second")],
    )
    async def which(self, interaction: discord.Interaction, select: discord.ui.Select[Any]) -> None:
        await interaction.response.defer()
        await interaction.followup.send(f"You chose {select.values}")


class Echo(discord.Client):
    """A minimal bot, whose commands are set up by `_add_commands`."""

    def __init__(self, *, content: bool = True, **options: Any) -> None:
        intents = discord.Intents.default()
        intents.message_content = content
        super().__init__(intents=intents, allowed_mentions=discord.AllowedMentions.none(), **options)
        self.tree = app_commands.CommandTree(self)
        self.heard: list[str] = []
        self.reactions: list[str] = []

    async def setup_hook(self) -> None:
        _add_commands(self.tree)
        self.add_view(Buttons())
        await self.tree.sync()

    async def before_identify_hook(self, shard_id: int | None, *, initial: bool = False) -> None:
        """Without the pause of five seconds between sessions."""

    async def on_message(self, message: discord.Message) -> None:
        if message.author != self.user:
            files = [(await each.read()).decode() for each in message.attachments]
            self.heard.append(" ".join([message.content, *files]))
            await message.reply(f"You said {self.heard[-1]}", view=Buttons())

    async def on_raw_reaction_add(self, event: discord.RawReactionActionEvent) -> None:
        self.reactions.append(f"+{event.emoji.name}")

    async def on_raw_reaction_remove(self, event: discord.RawReactionActionEvent) -> None:
        self.reactions.append(f"-{event.emoji.name}")


def _add_commands(tree: app_commands.CommandTree[Any]) -> None:
    @tree.command(description="Learn something.")
    @app_commands.allowed_contexts(guilds=True, dms=True, private_channels=True)
    async def learn(interaction: discord.Interaction, text: str, file: discord.Attachment | None = None) -> None:
        await interaction.response.defer(ephemeral=True, thinking=True)
        content = (await file.read()).decode() if file else "no file"
        await interaction.followup.send(f"{text}, {content}")

    @learn.autocomplete("text")
    async def offered(interaction: discord.Interaction, typed: str) -> list[app_commands.Choice[str]]:
        return [app_commands.Choice(name=f"{typed}{each}", value=each) for each in "ab"]

    @tree.command(description="Progress.")
    async def progress(interaction: discord.Interaction) -> None:
        await interaction.response.send_message("0 %")
        message = await interaction.original_response()
        assert interaction.channel_id
        await message.edit(content="50 %")

    @tree.context_menu(name="Teach from this message")
    async def teach(interaction: discord.Interaction, message: discord.Message) -> None:
        await interaction.response.send_message(f"Taught {message.content}", ephemeral=True)


@asynccontextmanager
async def running(fake: FakeDiscord, bot: Echo) -> AsyncIterator[Echo]:
    """The bot, until the end of the block."""
    async with bot:
        task = asyncio.create_task(bot.start(fake.token))
        await fake.until_connected()
        yield bot
        await bot.close()
        await task


@pytest.fixture
async def fake() -> AsyncIterator[FakeDiscord]:
    async with FakeDiscord() as fake:
        yield fake


@pytest.fixture
async def bot(fake: FakeDiscord) -> AsyncIterator[Echo]:
    async with running(fake, Echo()) as bot:
        yield bot


async def answered(fake: FakeDiscord, question: Message) -> Message:
    """The reply to a message."""
    return (await fake.until(lambda: fake.replies(question)))[0]


async def test_messages_in_channels_and_direct_chats_are_heard_and_replies_seen(fake: FakeDiscord, bot: Echo) -> None:
    ana = fake.user("ana")
    answer = await answered(fake, ana.says(fake.general, "Hello", attachments=[File("a.txt", b"there")]))
    direct = await answered(fake, ana.dm("Hi"))
    assert (answer.text, direct.text) == ("You said Hello there", "You said Hi")
    assert direct.channel is ana.direct
    assert fake.violations == []


async def test_edits_are_kept_as_history(fake: FakeDiscord, bot: Echo) -> None:
    channel = bot.get_partial_messageable(fake.general.id)
    message = await channel.send("One")
    for text in ("Two", "Three"):
        await message.edit(content=text)
    (shown,) = fake.messages(fake.general)
    assert shown.history == ["One", "Two", "Three"]
    await message.delete()
    assert fake.messages() == [] and shown.deleted
    assert fake.violations == []


async def test_files_go_both_ways(fake: FakeDiscord, bot: Echo) -> None:
    channel = await bot.fetch_channel(fake.general.id)
    assert isinstance(channel, discord.TextChannel)
    sent = await channel.send("Here", files=[discord.File(io.BytesIO(b"abc"), "a.txt"), discord.File(io.BytesIO(b"d"), "b")])
    (message,) = fake.messages()
    assert [(each.name, each.content) for each in message.attachments] == [("a.txt", b"abc"), ("b", b"d")]
    assert await sent.attachments[0].read() == b"abc"
    await sent.edit(attachments=[sent.attachments[1]])
    assert [each.name for each in message.attachments] == ["b"]
    assert fake.violations == []


async def test_reactions_on_messages_from_before_the_bot_came(fake: FakeDiscord) -> None:
    ana, old = fake.user("ana"), fake.user("ben").says(fake.general, "Old")
    async with running(fake, Echo()) as bot:
        ana.reacts(old, "👍")
        ana.unreacts(old, "👍")
        await fake.until(lambda: bot.reactions == ["+👍", "-👍"])
        await bot.get_partial_messageable(fake.general.id).get_partial_message(old.id).add_reaction("👎")
    assert {emoji: [each.name for each in people] for emoji, people in old.reactions.items()} == {"👎": ["tutee"]}
    assert fake.violations == []


async def test_a_slash_command_is_deferred_and_followed_up_for_one_person(fake: FakeDiscord, bot: Echo) -> None:
    ana = fake.user("ana")
    used = ana.slash("learn", fake.general, text="The cat is Miso.", file=File("a.txt", b"a file"))
    reply = await fake.until(lambda: used.reply)
    assert reply.text == "The cat is Miso., a file" and reply.ephemeral and reply.channel is fake.general
    with pytest.raises(AssertionError, match="only ana sees"):
        fake.user("ben").menu("Teach from this message", reply)
    direct = ana.slash("learn", text="x")
    assert (await fake.until(lambda: direct.reply)).text == "x, no file"
    assert fake.violations == [] and fake.unanswered == []


def test_people_can_use_only_what_is_offered(fake: FakeDiscord) -> None:
    ana = fake.user("ana")
    fake.world.commands[None] = [{"name": "learn", "type": 1, "contexts": [0], "default_member_permissions": "0", "options": []}]
    with pytest.raises(AssertionError, match="'forget' is not offered here"):
        ana.slash("forget", fake.general)
    with pytest.raises(AssertionError, match="'learn' is not offered here"):
        ana.slash("learn")
    with pytest.raises(AssertionError, match="administrators only"):
        ana.slash("learn", fake.general)


async def test_autocomplete_offers_choices(fake: FakeDiscord, bot: Echo) -> None:
    typed = fake.user("ana").autocomplete("learn", "text", "x")
    await fake.until(lambda: typed.callback)
    assert typed.choices == ["xa", "xb"]
    assert fake.violations == []


async def test_a_menu_entry_brings_the_message(fake: FakeDiscord, bot: Echo) -> None:
    ana = fake.user("ana")
    used = ana.menu("Teach from this message", ana.says(fake.general, "The cat is Miso."))
    assert (await fake.until(lambda: used.reply)).text == "Taught The cat is Miso."
    assert fake.violations == []


async def test_buttons_modals_and_selects_work_after_a_restart(fake: FakeDiscord) -> None:
    ana = fake.user("ana")
    async with running(fake, Echo()):
        message = await answered(fake, ana.says(fake.general, "Hello"))
    assert message.labels == ["Stop", "👎"]
    async with running(fake, Echo()):
        chosen = ana.chooses(message, "Second")
        assert (await fake.until(lambda: chosen.reply)).text == "You chose ['Second']"
        opened = ana.presses(message, "👎")
        await fake.until(lambda: opened.modal)
        as_it_was = ana.submits(opened)
        assert (await fake.until(lambda: as_it_was.reply)).text == "as before []"
        opened = ana.presses(message, "bad")
        await fake.until(lambda: opened.modal)
        changed = ana.submits(opened, {"Better answer": "Miso", "files": [File("a", b"1"), File("b", b"2")]})
        assert (await fake.until(lambda: changed.reply)).text == "Miso ['1', '2']"
        ana.presses(message, "Stop")
        await fake.until(lambda: message.text == "Stopped")
    assert message.labels == []
    assert fake.violations == [] and fake.unanswered == []


async def test_interaction_tokens_expire(fake: FakeDiscord, bot: Echo) -> None:
    used = fake.user("ana").slash("progress", fake.general)
    reply = await fake.until(lambda: used.reply)
    await fake.until(lambda: reply.text == "50 %")
    fake.expire_interactions()
    route = Route(
        "PATCH",
        "/webhooks/{webhook_id}/{webhook_token}/messages/@original",
        webhook_id=fake.bot.id,
        webhook_token=used.token,
    )
    with pytest.raises(discord.HTTPException) as refused:
        await bot.http.request(route, json={"content": "60 %"})
    assert refused.value.code == 50027
    await bot.get_partial_messageable(fake.general.id).get_partial_message(reply.id).edit(content="70 %")
    assert reply.history == ["0 %", "50 %", "70 %"]
    assert fake.violations == []


async def test_too_many_requests_are_refused_and_come_again(fake: FakeDiscord, bot: Echo) -> None:
    fake.fail("create_message", 502)  # first, for discord.py waits longer after each try
    fake.refuse("create_message", times=2)
    fake.refuse("create_message", times=1, everywhere=True)
    question = fake.user("ana").says(fake.general, "Hello")
    await answered(fake, question)
    assert fake.count("create_message", 429) == 3 and fake.count("create_message", 502) == 1
    assert len(fake.replies(question)) == 1
    assert fake.violations == []


@pytest.mark.parametrize("everything", [False, True])
async def test_limits_hold_and_lose_nothing(fake: FakeDiscord, bot: Echo, everything: bool) -> None:
    if everything:
        fake.limit_everything(4, 0.2)
    else:
        fake.limit("create_message", 2, 0.1)
    questions = [fake.user("ana").says(fake.general, f"Message {number}") for number in range(8)]
    await fake.until(lambda: all(fake.replies(each) for each in questions))
    assert [len(fake.replies(each)) for each in questions] == [1] * 8
    served = [each.at for each in fake.requests if each.operation == "create_message" and each.status == 200]
    assert served[-1] - served[0] > 0.15
    assert fake.violations == []


async def test_what_happened_while_the_line_was_down_comes_on_resuming(fake: FakeDiscord, bot: Echo) -> None:
    breaks: list[Callable[[], object]] = [
        lambda: asyncio.create_task(fake.gateway.close(4000)),
        fake.gateway.drop,
        fake.gateway.reconnect,
        lambda: fake.gateway.invalidate(resumable=True),
    ]
    for number, break_it in enumerate(breaks, 1):
        before = fake.gateway.resumed
        kept = break_it()
        question = fake.user("ana").says(fake.general, f"Message {number}")
        await answered(fake, question)
        await fake.until(lambda: fake.gateway.resumed > before)  # noqa: B023  # awaited at once
        del kept
    assert bot.heard == [f"Message {number}" for number in range(1, 5)]
    assert fake.gateway.identified == 1
    assert fake.violations == []


async def test_an_invalid_session_is_begun_anew_without_what_was_missed(fake: FakeDiscord, bot: Echo) -> None:
    fake.gateway.invalidate()
    fake.user("ana").says(fake.general, "Missed")
    await fake.until_connected()
    question = fake.user("ana").says(fake.general, "Heard")
    await answered(fake, question)
    assert bot.heard == ["Heard"] and fake.gateway.identified == 2


async def test_events_come_twice_when_asked_for(fake: FakeDiscord, bot: Echo) -> None:
    fake.gateway.duplicate("MESSAGE_CREATE")
    question = fake.user("ana").says(fake.general, "Hello")
    await fake.until(lambda: len(fake.replies(question)) == 2)
    again = fake.user("ana").says(fake.general, "Again")
    await answered(fake, again)
    assert bot.heard == ["Hello", "Hello", "Again"]


async def test_a_slow_gateway_and_a_slow_api(fake: FakeDiscord, bot: Echo) -> None:
    fake.gateway.delay = 0.1
    fake.slow_down("create_message", 0.1)
    started = asyncio.get_running_loop().time()
    await answered(fake, fake.user("ana").says(fake.general, "Hello"))
    assert asyncio.get_running_loop().time() - started > 0.2


async def test_a_lost_answer_to_a_request_that_was_carried_out(fake: FakeDiscord, bot: Echo) -> None:
    channel = bot.get_partial_messageable(fake.general.id)
    fake.lose("create_message")
    with suppress(aiohttp.ClientError):  # which discord.py passes on
        await channel.send("One")
    fake.heal()
    fake.lose("create_message", when="after")
    with suppress(aiohttp.ClientError):
        await channel.send("Two", nonce="n")
    await channel.send("Two", nonce="n")
    assert fake.texts().count("Two") == 1


async def test_the_heart_beats(fake: FakeDiscord) -> None:
    fake.gateway.heartbeat = 0.05
    async with running(fake, Echo()):
        await fake.until(lambda: fake.gateway.heartbeats >= 3)


async def test_without_the_intent_only_what_is_meant_for_the_bot_can_be_read(fake: FakeDiscord) -> None:
    ana = fake.user("ana")
    async with running(fake, Echo(content=False)) as bot:
        ana.says(fake.general, "private")
        ana.says(fake.general, "public", mention=True)
        ana.dm("direct")
        await fake.until(lambda: len(bot.heard) == 3)
        assert sorted(bot.heard) == ["", f"<@{fake.bot.id}> public", "direct"]


async def test_an_intent_that_was_not_granted_closes_the_gateway(fake: FakeDiscord) -> None:
    fake.world.portal_intents = 0
    async with Echo() as bot:
        with pytest.raises(discord.PrivilegedIntentsRequired):
            await bot.start(fake.token)
    async with Echo() as bot:
        with pytest.raises(discord.LoginFailure):
            await bot.start("wrong")


async def test_refusals_that_are_nobodys_fault(fake: FakeDiscord) -> None:
    ana = fake.user("ana")
    closed, quiet = fake.user("shy"), fake.world.add_channel("quiet")
    closed.user.closed = True
    quiet.deny("SEND_MESSAGES")
    async with running(fake, Echo()) as bot:
        for channel, code in ((quiet, 50013), (closed.direct, 50007), (fake.world.group(ana.user), 50001)):
            with pytest.raises(discord.Forbidden) as refused:
                await bot.get_partial_messageable(channel.id).send("Hello")
            assert refused.value.code == code
        gone = ana.says(quiet, "Hello")
        ana.deletes(gone)
        with pytest.raises(discord.NotFound):
            await bot.get_partial_messageable(quiet.id).get_partial_message(gone.id).edit(content="x")
        reference = discord.MessageReference(message_id=gone.id, channel_id=fake.general.id)
        with pytest.raises(discord.HTTPException):
            await bot.get_partial_messageable(fake.general.id).send("x", reference=reference)
        reference.fail_if_not_exists = False
        await bot.get_partial_messageable(fake.general.id).send("x", reference=reference)
    assert fake.violations == []


async def test_threads(fake: FakeDiscord, bot: Echo) -> None:
    ana = fake.user("ana")
    thread = ana.starts_thread(fake.general, "Cats")
    await answered(fake, ana.says(thread, "Hello"))
    channel = await bot.fetch_channel(fake.general.id)
    assert isinstance(channel, discord.TextChannel)
    message = await channel.send("Lesson 1")
    opened = await message.create_thread(name="Lesson 1")
    await opened.send("Inside")
    assert fake.texts(fake.world.channels[opened.id]) == ["Inside"]
    assert fake.violations == []


def button(**changes: Any) -> dict[str, Any]:
    return {"type": 1, "components": [{"type": 2, "style": 1, "label": "Stop", "custom_id": "stop", **changes}]}


def embed(size: int) -> dict[str, Any]:
    return {"title": "t", "fields": [{"name": "n", "value": "v" * 1000} for _ in range(size // 1000)]}


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        ({"content": "x" * 2001}, "content has 2,001 characters"),
        ({"content": "   "[:0]}, "an empty message"),
        ({"content": 3}, "content: the value is not of types"),
        ({"content": "x", "allowed_mentions": None}, "allowed_mentions is missing"),
        ({"content": "x", "allowed_mentions": {"parse": ["users"]}}, "allows mentions"),
        ({"content": "x", "allowed_mentions": {"parse": [], "replied_user": True}}, "allows mentions"),
        ({"content": "x", "flags": 64}, "flags 64 cannot be set here"),
        ({"embeds": [embed(6000)]}, "the embeds have 6,007 characters"),
        ({"embeds": [{"title": "t" * 257}]}, "embeds.0.title: the value is longer than 256 characters"),
        (
            {"content": "x", "components": [button(custom_id="c" * 101)]},
            "components.0.components.0.custom_id: the value is longer",
        ),
        ({"content": "x", "components": [button(label="")]}, "a button needs a label"),
        ({"content": "x", "components": [button(style=5)]}, "needs a url if it is a link"),
        ({"content": "x", "components": [button(), button()]}, "custom_id used twice"),
        ({"content": "x", "components": [button(custom_id=str(each)) for each in range(6)]}, "6 rows of components"),
        ({"components": [{"type": 10, "content": "Text"}]}, "need the flag IS_COMPONENTS_V2"),
        ({"components": [{"type": 10, "content": "x"}], "content": "x", "flags": 1 << 15}, "content cannot be used"),
        ({"components": [{"type": 10, "content": "x" * 2001}] * 2, "flags": 1 << 15}, "text displays have 4,002"),
        ({"embeds": [{"image": {"url": "attachment://a.png"}}]}, "attachment://a.png is not attached"),
        ({"content": "x", "nonce": "n" * 26}, "nonce: "),
    ],
)
async def test_messages_that_discord_would_not_take_are_collected(fake: FakeDiscord, bot: Echo, body: dict[str, Any], fault: str) -> None:
    route = Route("POST", "/channels/{channel_id}/messages", channel_id=fake.general.id)
    with pytest.raises(discord.HTTPException) as refused:
        await bot.http.request(route, json={"allowed_mentions": NOBODY, **body})
    assert refused.value.status == 400
    (violation,) = fake.violations
    assert violation.startswith("create_message: ") and fault in violation
    assert fake.messages() == []


@pytest.mark.parametrize(
    ("method", "path", "body", "fault"),
    [
        ("GET", "/channels/x", None, "path: channel_id"),
        ("GET", "/channels/1/messages?limit=101", None, "query: limit"),
        ("GET", "/channels/1/messages?size=1", None, "query: size is unknown to list_messages"),
        ("GET", "/nothing", None, "Discord has no such route"),
        ("PATCH", "/channels/1", {"name": "x"}, "the fake does not play"),
        ("PUT", "/applications/1/commands", [{"name": "Learn", "description": "x"}], "is no name"),
        ("PUT", "/applications/1/commands", [{"name": "learn"}], "has no description"),
        ("PUT", "/applications/1/commands", [{"name": "learn", "description": "x"}] * 2, "named twice"),
        ("PUT", "/applications/1/commands", [{"name": "Teach", "type": 3, "description": "x"}], "neither description"),
        (
            "PUT",
            "/applications/1/commands",
            [{"name": "a", "description": "d" * 101}],
            "0.description: the value is longer",
        ),
    ],
)
async def test_requests_that_discord_does_not_know_are_collected(fake: FakeDiscord, bot: Echo, method: str, path: str, body: Any, fault: str) -> None:
    with pytest.raises(discord.HTTPException):
        await bot.http.request(Route(method, path), **({} if body is None else {"json": body}))
    (violation,) = fake.violations
    assert fault in violation


@pytest.mark.parametrize(
    ("callback", "fault"),
    [
        ({"type": 4, "data": {"content": "x"}}, "allowed_mentions is missing"),
        ({"type": 4, "data": {"content": "x" * 2001}}, "data.content: the value is longer than 2000 characters"),
        ({"type": 7, "data": {"content": "x"}}, "takes no callback 7"),
        (
            {"type": 9, "data": {"custom_id": "m", "title": "t" * 46, "components": [{"type": 10, "content": "x"}]}},
            "data.title",
        ),
        (
            {"type": 9, "data": {"custom_id": "m", "title": "t", "components": [{"type": 10, "content": "x"}] * 6}},
            "6 components",
        ),
    ],
)
async def test_answers_to_interactions_are_checked(fake: FakeDiscord, bot: Echo, callback: dict[str, Any], fault: str) -> None:
    bot.tree.clear_commands(guild=None)  # so that nobody but the test answers
    bot.tree.on_error = lambda *_: asyncio.sleep(0)  # type: ignore[method-assign]  # about the unknown command
    used = fake.user("ana").slash("progress", fake.general)
    path = f"/interactions/{used.id}/{used.token}/callback"
    with pytest.raises(discord.HTTPException):
        await bot.http.request(Route("POST", path), json=callback)
    assert fault in fake.violations[0]
    assert fake.unanswered == [used]
    await bot.http.request(Route("POST", path), json={"type": 4, "data": {"content": "x", "allowed_mentions": NOBODY}})
    with pytest.raises(discord.HTTPException):
        await bot.http.request(Route("POST", path), json={"type": 5})
    assert fake.violations[1:] == ["create_interaction_response: Interaction has already been acknowledged."]
