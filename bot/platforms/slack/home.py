"""The home tab: what there is about one's model, with everything that can be done about it."""

from __future__ import annotations

from collections.abc import Sequence

from bot import cards, texts
from bot.messages import Action, Notice
from bot.platforms.slack.blocks import Block, buttons, plain, plain_text

TEACH = Action(texts.TEACH_BUTTON, "/learn", asks=True)
MOST_BLOCKS = 100


def view(notices: Sequence[Notice], file: str | None = None) -> Block:
    """The tab. Each notice is a part of it; `file` is the id of the picture in that which has one, None while there is none."""
    blocks: list[Block] = [{"type": "header", "text": plain_text(texts.HOME_TITLE)}, *buttons((TEACH,), None)]
    for index, notice in enumerate(notices):
        drawn = [] if notice.picture is None or file is None else [_image(file)]
        part = [{"type": "divider"}, *plain(notice.text), *drawn, *buttons(cards.actions(notice), notice.owner)]
        blocks += [{**block, "block_id": f"part{index}:{number}"} for number, block in enumerate(part)]
    return {"type": "home", "blocks": blocks[:MOST_BLOCKS]}


def _image(file: str) -> Block:
    return {"type": "image", "slack_file": {"id": file}, "alt_text": texts.PICTURE_OF_PROGRESS}
