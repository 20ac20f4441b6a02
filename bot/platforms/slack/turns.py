"""One event of Slack's while the core deals with it: who asked, and how what belongs to it is shown."""

from __future__ import annotations

from dataclasses import dataclass

from bot.platforms.slack.places import Place


@dataclass(slots=True)
class Turn:
    """A message or a reaction: replies to it stand where it stands."""

    user: str
    place: Place


@dataclass(slots=True)
class InteractionTurn(Turn):
    """A slash command, a shortcut, a pressed button or a form.

    `response_url` answers it for 30 minutes. `card` is the id of the message that the button is on. `is_public`: others read along
    where it was asked, so the answer is shown to the asker only. `is_home`: it came from the home tab, which then is shown anew.
    `said`, `wrote_directly`: whether the asker has been answered where they asked, or in direct messages.
    """

    response_url: str | None = None
    card: str | None = None
    is_public: bool = False
    is_home: bool = False
    said: bool = False
    wrote_directly: bool = False
