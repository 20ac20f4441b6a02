"""The home tab: what there is about one's model, with everything that can be done about it."""

from __future__ import annotations

from collections.abc import Sequence

from bot import texts
from bot.messages import Action, Notice
from bot.platforms.slack.blocks import Block, buttons, plain, plain_text

TEACH = Action(texts.TEACH_BUTTON, "/learn", asks=True)
MOST_BLOCKS = 100


def view(notices: Sequence[Notice]) -> Block:
    """The tab. Each notice is a part of it."""
    blocks: list[Block] = [{"type": "header", "text": plain_text(texts.HOME_TITLE)}, *buttons((TEACH,), None)]
    for index, notice in enumerate(notices):
        part = [{"type": "divider"}, *plain(notice.text), *buttons(notice.actions, notice.owner)]
        blocks += [{**block, "block_id": f"part{index}:{number}"} for number, block in enumerate(part)]
    return {"type": "home", "blocks": blocks[:MOST_BLOCKS]}
