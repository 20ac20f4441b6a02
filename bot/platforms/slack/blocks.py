"""What a reply looks like: text for notifications, blocks for people, files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from bot import cards, texts
from bot.messages import Action, Answer, Attachment, Notice, Reply, Trouble
from bot.platforms.slack.words import escaped, harmless

Block = dict[str, Any]

MARKDOWN = 11_500  # characters of an answer's text in a message; Slack takes 12,000 in all markdown blocks together
SECTION = 2_900  # characters of a section, which Slack limits to 3,000
SECTIONS = 40  # a message has 50 blocks at most, a home tab 100
NOTIFICATION = 1_000  # characters of the text that notifications and screen readers use
ROW = 25  # buttons in one block
LONGEST_LABEL = 75
UP, DOWN = "/react 👍", "/react 👎"


@dataclass(frozen=True, slots=True)
class Shown:
    """One message. Where files cannot be shown, they go elsewhere with all of it, and the picture is left out."""

    text: str
    blocks: list[Block]
    files: tuple[Attachment, ...] = ()
    picture: Attachment | None = None

    def arguments(self) -> dict[str, Any]:
        """For sending it."""
        return {"text": self.text, "blocks": self.blocks}


def message(reply: Reply) -> Shown:
    """The message that shows the reply."""
    owner = None if isinstance(reply, Trouble) else reply.owner
    text = reply.text.strip() or texts.SAYS_NOTHING
    if isinstance(reply, Answer):
        body, rest = answer(text)
        return Shown(notification(text), [*body, *buttons(cards.actions(reply), owner)], rest)
    files, picture = (reply.files, reply.picture) if isinstance(reply, Notice) else ((), None)
    return Shown(notification(text), [*plain(text), *buttons(cards.actions(reply), owner)], files, picture)


def answer(text: str, actions: Sequence[Action] = ()) -> tuple[list[Block], tuple[Attachment, ...]]:
    """An answer's words as blocks, and as a file what is too long for them."""
    shown, rest = shortened(text)
    blocks: list[Block] = [{"type": "markdown", "text": shown}, *buttons(actions, None)]
    if rest:
        blocks.insert(1, _section(texts.REST_IN_FILE))
    return blocks, rest


def shortened(text: str) -> tuple[str, tuple[Attachment, ...]]:
    """The words that a message can hold, and all of them as a file where it cannot hold all."""
    safe = harmless(text)
    if len(safe) <= MARKDOWN:
        return safe, ()
    return safe[:MARKDOWN] + texts.BROKEN_OFF, (Attachment(texts.FILE_OF_ANSWER, text.encode()),)


def plain(text: str) -> list[Block]:
    """Our own sentences and lists: shown as they are, for they hold what people wrote."""
    sections = [_section(text[at : at + SECTION]) for at in range(0, len(text), SECTION)]
    return sections[:SECTIONS]


def buttons(actions: Sequence[Action], owner: int | None) -> list[Block]:
    """The buttons; a pair of thumbs is shown the way Slack shows feedback."""
    thumbs = {each.command: each for each in actions if each.command in (UP, DOWN)}
    found: list[Block] = []
    if len(thumbs) == 2:
        actions = [each for each in actions if each.command not in thumbs]
        pair = {"positive_button": _pressed(thumbs[UP], owner), "negative_button": _pressed(thumbs[DOWN], owner)}
        found.append({"type": "context_actions", "elements": [{"type": "feedback_buttons", "action_id": "tutee:thumbs", **pair}]})
    for at in range(0, len(actions), ROW):
        row = [_button(each, owner, at + index) for index, each in enumerate(actions[at : at + ROW])]
        found.append({"type": "actions", "elements": row})
    return found


def value(action: Action, owner: int | None) -> str:
    """Everything that pressing a button needs, so that buttons outlive the process."""
    return f"{'' if owner is None else owner}:{'?' if action.asks else ''}{action.command}"


def pressed(value: str) -> tuple[str, bool, int | None]:
    """Of a button's value: the command, whether it asks for the rest, and whose card it is on."""
    owner, _, command = value.partition(":")
    return command.removeprefix("?"), command.startswith("?"), int(owner) if owner.isdecimal() else None


def _button(action: Action, owner: int | None, index: int) -> Block:
    found = {"type": "button", "action_id": f"tutee:{index}", **_pressed(action, owner)}
    return {**found, "style": "danger"} if action.danger else found


def _pressed(action: Action, owner: int | None) -> Block:
    return {"text": plain_text(action.label[:LONGEST_LABEL]), "value": value(action, owner)}


def plain_text(text: str) -> Block:
    """A text object in which nothing is markup."""
    return {"type": "plain_text", "text": text, "emoji": True}


def _section(text: str) -> Block:
    return {"type": "section", "text": plain_text(text)}


def notification(text: str) -> str:
    """For whoever does not see the blocks."""
    return escaped(text[:NOTIFICATION])
