"""Modals, filled in as a person would, with the checks that Discord's program makes before it sends one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tests.fakes.discord.limits import LABEL, ROW, STRING_SELECT, TEXT_DISPLAY, TEXT_INPUT
from tests.fakes.discord.places import File

FILE_UPLOAD, RADIO_GROUP, CHECKBOX_GROUP, CHECKBOX = 19, 21, 22, 23


def filled_in(modal: Mapping[str, Any], values: Mapping[str, Any]) -> tuple[list[dict[str, Any]], list[File]]:
    """The components of a MODAL_SUBMIT, and the files in it. `values` by label or custom id."""
    left, files = dict(values), list[File]()
    components = list[dict[str, Any]]()
    for index, each in enumerate(modal["components"], 1):
        if each["type"] == TEXT_DISPLAY:
            components.append({"type": TEXT_DISPLAY, "id": index})
            continue
        field = each["component"] if each["type"] == LABEL else each["components"][0]
        names = [name for name in (each.get("label"), field.get("label"), field["custom_id"]) if name in left]
        value = left.pop(names[0]) if names else _prefilled(field)
        if field["type"] == FILE_UPLOAD:
            files += value
        sent = {"type": field["type"], "id": index + 100, "custom_id": field["custom_id"], **_checked(field, value)}
        if each["type"] == LABEL:
            components.append({"type": LABEL, "id": index, "component": sent})
        else:
            components.append({"type": ROW, "id": index, "components": [sent]})
    assert not left, f"the modal has no fields {list(left)}"
    return components, files


def _prefilled(field: Mapping[str, Any]) -> Any:
    match field["type"]:
        case 4:
            return field.get("value") or ""
        case 3 | 22:
            return [each["label"] for each in field["options"] if each.get("default")]
        case 21:
            return next((each["label"] for each in field["options"] if each.get("default")), None)
        case 23:
            return bool(field.get("default"))
        case _:
            return []


def _checked(field: Mapping[str, Any], value: Any) -> dict[str, Any]:
    required = field.get("required", True)
    match field["type"]:
        case kind if kind == TEXT_INPUT:
            low, high = (field.get("min_length") or 0), field.get("max_length") or 4000
            assert not value or low <= len(value) <= high, f"{field['custom_id']} takes {low} to {high} characters"
            assert value or not required, f"{field['custom_id']} must be filled in"
            return {"value": value}
        case kind if kind in (STRING_SELECT, CHECKBOX_GROUP):
            options = {each["label"]: each["value"] for each in field["options"]}
            assert value or not required, f"{field['custom_id']} must be chosen"
            return {"values": [options[each] for each in value]}
        case kind if kind == RADIO_GROUP:
            return {"value": {each["label"]: each["value"] for each in field["options"]}[value] if value else None}
        case kind if kind == FILE_UPLOAD:
            assert len(value) <= (field.get("max_values") or 1), f"{field['custom_id']} takes fewer files"
            assert value or not required, f"{field['custom_id']} needs a file"
            return {"values": [str(each.id) for each in value]}
        case kind if kind == CHECKBOX:
            return {"value": value}
        case other:
            raise AssertionError(f"the fake does not fill in components of type {other}")
