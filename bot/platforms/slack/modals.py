"""The forms that ask for what a command still needs."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from bot import texts
from bot.platforms import forms
from bot.platforms.slack.blocks import Block, plain_text

ASK, TEACH = "ask", "teach"  # callback ids
LONGEST_TEXT = 3000  # characters of a text field
MOST_FILES = 5


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a form was opened from, so that what comes of it is shown there. `files` are ids of files that go with a lesson."""

    channel: str
    reply_to: str | None = None
    response_url: str | None = None
    is_public: bool = False
    is_home: bool = False
    owner: int | None = None
    command: str = ""
    files: tuple[str, ...] = ()


def asking(origin: Origin, prefilled: str = "") -> Block:
    """Asks for the rest of a command's line. `prefilled` is what the field holds at first: unchanged, it says nothing."""
    question = texts.ASKS.get(origin.command, origin.command)
    field = _input("text", question, prefilled[:LONGEST_TEXT], multiline=bool(prefilled), optional=bool(prefilled))
    return _modal(ASK, origin, [field])


def teaching(origin: Origin, prefilled: str = "") -> Block:
    """Asks what to teach: text, link, files, any of them."""
    files = {"type": "file_input", "action_id": "files", "max_files": MOST_FILES}
    return _modal(TEACH, origin, [
        _input("text", texts.TEACH_TEXT, prefilled[:LONGEST_TEXT], multiline=True, optional=True, example=texts.TEACH_TEXT_EXAMPLE),
        _input("link", texts.TEACH_LINK, optional=True),
        {"type": "input", "block_id": "files", "label": plain_text(texts.TEACH_FILE), "element": files, "optional": True},
    ])  # fmt: skip


def origin(view: Mapping[str, Any]) -> Origin:
    """Where the form was opened from."""
    told = json.loads(view["private_metadata"])
    return Origin(**{**told, "files": tuple(told["files"])})


def answered(view: Mapping[str, Any]) -> str:
    """The whole line that an `asking` form was filled in to; text that was left as it was given says nothing."""
    said = _said(view, "text")
    given = next((each["element"].get("initial_value", "") for each in view["blocks"] if each["block_id"] == "text"), "")
    return forms.completed(origin(view).command, said, given)


def lesson(view: Mapping[str, Any]) -> tuple[str, Sequence[Mapping[str, Any]]]:
    """The line that a `teaching` form was filled in to, and the files."""
    files = view["state"]["values"].get("files", {}).get("files", {}).get("files") or []
    return forms.lesson(_said(view, "text"), _said(view, "link")), files


def _said(view: Mapping[str, Any], name: str) -> str:
    value = view["state"]["values"].get(name, {}).get(name, {}).get("value") or ""
    return str(value).strip()


def _modal(kind: str, origin: Origin, blocks: list[Block]) -> Block:
    return {
        "type": "modal", "callback_id": kind, "private_metadata": json.dumps(asdict(origin)), "blocks": blocks,
        "title": plain_text(texts.TEACH_TITLE if kind == TEACH else texts.FORM_TITLE),
        "submit": plain_text(texts.SEND), "close": plain_text(texts.CLOSE),
    }  # fmt: skip


def _input(name: str, label: str, prefilled: str = "", *, multiline: bool = False, optional: bool = False, example: str = "") -> Block:
    element: Block = {"type": "plain_text_input", "action_id": name, "multiline": multiline, "max_length": LONGEST_TEXT}
    if prefilled:
        element["initial_value"] = prefilled
    if example:
        element["placeholder"] = plain_text(example)
    return {"type": "input", "block_id": name, "label": plain_text(label), "element": element, "optional": optional}
