"""Messages with all that ever stood in them, and interactions with how they were answered."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from tests.fakes.discord.limits import BUTTON, EPHEMERAL, walk
from tests.fakes.discord.places import Channel, File, User, moment, new_id


@dataclass(eq=False)
class Message:
    """A message with all that ever stood in it."""

    channel: Channel
    author: User
    content: str = ""
    id: int = field(default_factory=new_id)
    embeds: list[dict[str, Any]] = field(default_factory=list)
    components: list[dict[str, Any]] = field(default_factory=list)
    attachments: list[File] = field(default_factory=list)
    flags: int = 0
    mentions: list[User] = field(default_factory=list)
    reply_to: Message | None = None
    reactions: dict[str, set[User]] = field(default_factory=dict)
    history: list[str] = field(default_factory=list)
    """Every content that the message has had, the present one last."""
    deleted: bool = False
    edited: bool = False
    seen_by: User | None = None
    """Whom an ephemeral message is for; None: everyone."""
    interaction: Interaction | None = None
    """The interaction that it answers."""
    nonce: str | int | None = None
    thread: Channel | None = None

    def __post_init__(self) -> None:
        self.history.append(self.content)

    @property
    def ephemeral(self) -> bool:
        """Whether only one person sees it."""
        return self.seen_by is not None

    @property
    def text(self) -> str:
        """All that a reader sees: content, embeds and text displays."""
        embeds = [each.get(key) for each in self.embeds for key in ("title", "description")]
        fields = [each[key] for embed in self.embeds for each in embed.get("fields", ()) for key in ("name", "value")]
        displays = [each.get("content") for each in walk(self.components)]
        return "\n".join(each for each in (self.content, *embeds, *fields, *displays) if each)

    @property
    def labels(self) -> list[str]:
        """What stands on its buttons."""
        buttons = (each for each in walk(self.components) if each["type"] == BUTTON)
        return [each.get("label") or (each.get("emoji") or {}).get("name", "") for each in buttons]

    def payload(self, reader: User, *, reads_content: bool = True, deep: bool = True) -> dict[str, Any]:
        """As the bot sees it; without the intent for content, only what is meant for it is filled in."""
        readable = reads_content or self.channel.guild is None or self.author is reader or reader in self.mentions
        kind = 19 if self.reply_to else 0
        found: dict[str, Any] = {
            "id": str(self.id), "channel_id": str(self.channel.id), "type": kind, "author": self.author.payload(),
            "content": self.content if readable else "", "timestamp": moment(self.id),
            "edited_timestamp": _now() if self.edited else None, "flags": self.flags | (EPHEMERAL if self.ephemeral else 0),
            "mentions": [each.payload() for each in self.mentions], "mention_roles": [], "mention_everyone": False,
            "attachments": [each.payload() for each in self.attachments] if readable else [],
            "embeds": self.embeds if readable else [], "components": self.components if readable else [],
            "pinned": False, "tts": False, "reactions": [self._reaction(emoji, reader) for emoji in self.reactions],
        }  # fmt: skip
        if self.nonce is not None:
            found["nonce"] = self.nonce
        if self.interaction:
            found |= self.interaction.metadata()
        if self.thread:
            found["thread"] = self.thread.payload()
        if self.reply_to:
            found["message_reference"] = {"type": 0, **self.reply_to.place()}
            if deep and not self.reply_to.deleted:
                found["referenced_message"] = self.reply_to.payload(reader, reads_content=reads_content, deep=False)
        return found

    def place(self) -> dict[str, str]:
        """Where it stands."""
        guild = {"guild_id": str(self.channel.guild.id)} if self.channel.guild else {}
        return {"message_id": str(self.id), "channel_id": str(self.channel.id), **guild}

    def _reaction(self, emoji: str, reader: User) -> dict[str, Any]:
        people = self.reactions[emoji]
        return {
            "emoji": {"id": None, "name": emoji}, "count": len(people), "count_details": {"burst": 0, "normal": len(people)},
            "burst_colors": [], "me_burst": False, "me": reader in people,
        }  # fmt: skip


@dataclass(eq=False)
class Interaction:
    """A use of a command, a button, a select, a modal or a menu entry, and how the bot answered."""

    user: User
    channel: Channel
    kind: int
    data: dict[str, Any]
    message: Message | None = None
    id: int = field(default_factory=new_id)
    token: str = ""
    callback: dict[str, Any] | None = None
    """The body of the first answer."""
    messages: list[Message] = field(default_factory=list)
    """The answer and the follow-ups."""
    loading: bool = False
    """Whether the answer was deferred and has not come."""
    expired: bool = False

    def __post_init__(self) -> None:
        self.token = f"token-{self.id}"

    @property
    def modal(self) -> dict[str, Any] | None:
        """The form that it opened."""
        return self.callback["data"] if self.callback and self.callback["type"] == 9 else None

    @property
    def choices(self) -> list[str]:
        """What autocomplete offered."""
        assert self.callback and self.callback["type"] == 8, self.callback
        return [each["name"] for each in self.callback["data"]["choices"]]

    @property
    def reply(self) -> Message | None:
        """The message that answers it, once it stands there."""
        return self.messages[0] if self.messages and not self.loading else None

    def metadata(self) -> dict[str, Any]:
        """What a message says of the interaction that it answers."""
        common = {
            "id": str(self.id), "type": self.kind, "user": self.user.payload(), "authorizing_integration_owners": self.owners(),
        }  # fmt: skip
        if self.kind == 3 and self.message:
            common["interacted_message_id"] = str(self.message.id)
        if self.kind == 5:
            common["triggering_interaction_metadata"] = {**common, "type": 2}
        return {"interaction_metadata": common}

    def owners(self) -> dict[str, str]:
        """For whom the bot is installed here: the server (0) or the user (1)."""
        return {"0": str(self.channel.guild.id)} if self.channel.guild else {"1": str(self.user.id)}


def _now() -> str:
    return datetime.now(UTC).isoformat()
