"""What an argument of a command may be: for platforms that offer it while somebody types."""

from __future__ import annotations

from bot import texts
from bot.app import App
from bot.messages import Choice

MOST = 25  # more are not shown at once anywhere


def choices(app: App, platform: str, external_user_id: str, command: str, typed: str) -> tuple[Choice, ...]:
    """The user's lessons for /forget and versions for /rollback, newest first, that what is typed is a part of."""
    user = app.repositories.users.find(platform, external_user_id)
    if user is None:
        return ()
    found: list[Choice] = []
    if command == "/forget":
        lessons = app.repositories.lessons.of_user(user.id)
        live = [each for each in lessons if each.state == "live"]
        found = [Choice(texts.choice_of_lesson(each), str(each.number)) for each in reversed(live)]
    elif command == "/rollback":
        versions = [each for each in app.repositories.adapters.of_user(user.id) if each.published_at and not each.removed_at]
        found = [
            Choice(texts.choice_of_version(each.number, each.name, each.name == user.live_version), str(each.number)) for each in reversed(versions)
        ]
        found.append(Choice(texts.choice_of_version(0, texts.UNTAUGHT_MODEL, user.live_version is None), "0"))
    return tuple(each for each in found if typed.lower() in each.label.lower())[:MOST]
