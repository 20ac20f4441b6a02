"""Discord's own refusals, with the codes that it gives them."""

from __future__ import annotations


class Refusal(Exception):
    """An answer that is an error. `fault`: the bot should not have asked; such requests are collected."""

    def __init__(self, status: int, code: int, message: str, *, fault: bool = False) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.fault = fault


def unknown_channel() -> Refusal:
    """There is no such channel."""
    return Refusal(404, 10003, "Unknown Channel")


def unknown_message() -> Refusal:
    """There is no such message, or no longer."""
    return Refusal(404, 10008, "Unknown Message")


def unknown_interaction() -> Refusal:
    """It was not answered in time, or never was."""
    return Refusal(404, 10062, "Unknown interaction")


def invalid_token() -> Refusal:
    """An interaction's token, which lives for 15 minutes, is used after that."""
    return Refusal(401, 50027, "Invalid Webhook Token")


def missing_permissions(name: str) -> Refusal:
    """The bot may not do that here."""
    return Refusal(403, 50013, f"Missing Permissions: {name}")


def missing_access() -> Refusal:
    """The bot does not see the channel."""
    return Refusal(403, 50001, "Missing Access")
