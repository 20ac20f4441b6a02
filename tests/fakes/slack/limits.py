"""Block Kit's limits, from Slack's reference: what is wrong with blocks and views."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

MARKDOWN = 12_000  # characters, of all markdown blocks of a message together
TEXT = 40_000
_SECTION, _BUTTON, _VALUE, _ACTION_ID, _ELEMENTS = 3000, 75, 2000, 255, 25
_IN_MESSAGES = (
    "section",
    "markdown",
    "actions",
    "context",
    "context_actions",
    "header",
    "divider",
    "image",
    "file",
    "rich_text",
)
_IN_VIEWS = ("section", "actions", "context", "header", "divider", "image", "input", "rich_text")


def message_problems(blocks: Any, text: Any, *, most: int = 50) -> list[str]:
    """Of a message."""
    if blocks is not None and not isinstance(blocks, list):
        return ["blocks are no list"]
    found = list(_blocks(blocks or [], _IN_MESSAGES, most))
    if isinstance(text, str) and len(text) > TEXT:
        found.append(f"text has {len(text)} characters")
    markdown = sum(len(each.get("text", "")) for each in blocks or [] if each.get("type") == "markdown")
    if markdown > MARKDOWN:
        found.append(f"markdown blocks have {markdown} characters together")
    return found


def view_problems(view: Any) -> list[str]:
    """Of a modal or a home tab."""
    if not isinstance(view, dict) or view.get("type") not in ("modal", "home"):
        return ["a view is an object of type modal or home"]
    found = list(_blocks(view.get("blocks", []), _IN_VIEWS, 100))
    if len(view.get("private_metadata", "")) > 3000:
        found.append("private_metadata is too long")
    if view["type"] == "modal":
        for name, longest in (("title", 24), ("submit", 24), ("close", 24)):
            if name in view:
                found += _text(view[name], f"view.{name}", longest, ("plain_text",))
        if "title" not in view:
            found.append("a modal has a title")
        if any(each.get("type") == "input" for each in view["blocks"]) and "submit" not in view:
            found.append("a modal with inputs has a submit")
    return found


def _blocks(blocks: list[Any], kinds: tuple[str, ...], most: int) -> Iterator[str]:
    if len(blocks) > most:
        yield f"{len(blocks)} blocks"
    ids = [each["block_id"] for each in blocks if "block_id" in each]
    if len(ids) != len(set(ids)):
        yield "block ids repeat"
    for block in blocks:
        kind = block.get("type")
        if kind not in kinds:
            yield f"a block {kind} cannot stand here"
            continue
        match kind:
            case "section":
                yield from _text(block.get("text"), "section", _SECTION)
                if "accessory" in block:
                    yield from _element(block["accessory"])
            case "markdown":
                if not block.get("text"):
                    yield "a markdown block is empty"
            case "header":
                yield from _text(block.get("text"), "header", 150, ("plain_text",))
            case "context":
                if not 1 <= len(block.get("elements", [])) <= 10:
                    yield "a context block has 1 to 10 elements"
                for each in block.get("elements", []):
                    if each.get("type") in ("plain_text", "mrkdwn"):
                        yield from _text(each, "context", _SECTION)
            case "actions" | "context_actions":
                yield from _elements(block)
            case "image":
                if not block.get("alt_text") or not (block.get("image_url") or block.get("slack_file")):
                    yield "an image has alt_text and a place"
            case "input":
                yield from _text(block.get("label"), "label", 2000, ("plain_text",))
                yield from _element(block.get("element", {}))


def _elements(block: dict[str, Any]) -> Iterator[str]:
    elements = block.get("elements", [])
    if not 1 <= len(elements) <= (_ELEMENTS if block["type"] == "actions" else 5):
        yield f"{block['type']} has {len(elements)} elements"
    ids = [each.get("action_id") for each in elements]
    if len(ids) != len(set(ids)):
        yield "action ids repeat"
    for each in elements:
        native = each.get("type") in ("feedback_buttons", "icon_button")
        if native != (block["type"] == "context_actions"):
            yield f"{each.get('type')} cannot stand in {block['type']}"
        yield from _element(each)


def _element(element: dict[str, Any]) -> Iterator[str]:
    if not 1 <= len(element.get("action_id", "")) <= _ACTION_ID:
        yield "an element has an action_id of 1 to 255 characters"
    match element.get("type"):
        case "button":
            yield from _button(element)
            if element.get("style", "primary") not in ("primary", "danger"):
                yield f"a button has no style {element['style']}"
            if "confirm" in element:
                yield from _confirm(element["confirm"])
        case "feedback_buttons":
            for name in ("positive_button", "negative_button"):
                yield from _button(element.get(name, {}))
        case "plain_text_input":
            if len(element.get("initial_value", "")) > element.get("max_length", 3000) or element.get("max_length", 1) > 3000:
                yield "a text field holds 3000 characters"
            if "placeholder" in element:
                yield from _text(element["placeholder"], "placeholder", 150, ("plain_text",))
        case "file_input":
            if not 1 <= element.get("max_files", 10) <= 10:
                yield "a file field takes 1 to 10 files"
        case other:
            yield f"an element {other} is not played"


def _confirm(confirm: dict[str, Any]) -> Iterator[str]:
    for name, longest in (("title", 100), ("text", 300), ("confirm", 30), ("deny", 30)):
        yield from _text(confirm.get(name), f"confirm.{name}", longest)


def _button(button: dict[str, Any]) -> Iterator[str]:
    yield from _text(button.get("text"), "button", _BUTTON, ("plain_text",))
    if len(button.get("value", "")) > _VALUE:
        yield "a button's value is too long"


def _text(text: Any, what: str, longest: int, kinds: tuple[str, ...] = ("plain_text", "mrkdwn")) -> Iterator[str]:
    if not isinstance(text, dict) or text.get("type") not in kinds or not isinstance(text.get("text"), str):
        yield f"{what} is no text object"
    elif not 1 <= len(text["text"]) <= longest:
        yield f"{what} has {len(text['text'])} characters"
