"""A list of things with what can be done with each: cards, below the picture that shows them together."""

from __future__ import annotations

from collections.abc import Sequence

import discord

from bot import texts
from bot.messages import Action, Attachment, Card
from bot.platforms.discord.buttons import Button

MARK = discord.Colour(0x0072B2)  # the colour of the live version in the picture of progress, too
MOST_BUTTONS = 5  # of a row


def layout(text: str, picture: Attachment | None, cards: Sequence[Card], actions: Sequence[Action], owner: int | None) -> discord.ui.LayoutView:
    """The whole message: Discord takes no other text beside it. The picture has to be attached under its name."""
    view = discord.ui.LayoutView(timeout=None)
    view.add_item(discord.ui.TextDisplay(discord.utils.escape_markdown(text)))
    if picture is not None:
        shown = discord.MediaGalleryItem(f"attachment://{picture.name}", description=texts.PICTURE_OF_PROGRESS)
        view.add_item(discord.ui.MediaGallery(shown))
    for each in cards:
        view.add_item(discord.ui.Container(_inside(each, owner), accent_colour=MARK if each.marked else None))
    if actions:
        view.add_item(discord.ui.ActionRow(*(Button(each, owner) for each in actions[:MOST_BUTTONS])))
    return view


def _inside(card: Card, owner: int | None) -> discord.ui.Item[discord.ui.LayoutView]:
    title = texts.marked(card.title) if card.marked else card.title
    said = f"**{discord.utils.escape_markdown(title)}**\n{discord.utils.escape_markdown(card.text)}"
    if not card.actions:
        return discord.ui.TextDisplay(said)
    accessory = Button(card.actions[0], owner)
    return discord.ui.Section(said, accessory=accessory)  # type: ignore[arg-type]  # dynamic items are typed for the older views only
