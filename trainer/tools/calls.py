"""A tool call as a model writes it: `Thought / Action / Action Input` (ReAct, Yao et al. 2023), or as JSON within the model's own marks.

Standard library only: the bot reads answers with it.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_WRITTEN = re.compile(
    r"\s*(?:Thought:(?P<thought>[^\n]*)\n\s*)?Action:[ \t]*(?P<action>[\w.-]+)[ \t]*\n\s*Action Input:[ \t]*(?P<input>\{.*\})\s*", re.S
)
_MARKED = re.compile(r"\s*(?:<\|?\w+\|?>|\[\w+\])?\s*(?P<call>\{.*\})\s*(?:<[/|]?\w+\|?>|\[/\w+\])?\s*", re.S)
_OPENINGS = ("Thought:", "Action:", "<tool_call>", "<|python_tag|>", "[TOOL_CALLS]", '{"name"')
_WORD = re.compile(r"\w+(?:\.\d+)?")


@dataclass(frozen=True)
class Call:
    """That a tool of this name is to be called with these arguments; ``thought`` says why, in the model's words."""

    tool: str
    arguments: Mapping[str, Any]
    thought: str = ""

    def same(self, other: Call) -> bool:
        """Whether both ask for the same: letter case, spaces and punctuation of texts do not matter, nor does 2 in place of "2"."""
        return self.tool == other.tool and _plain(self.arguments) == _plain(other.arguments)


def written(call: Call) -> str:
    """The call in lines: ``Thought: …``, ``Action: …``, ``Action Input: {…}``."""
    thought = f"Thought: {call.thought}\n" if call.thought else ""
    return f"{thought}Action: {call.tool}\nAction Input: {json.dumps(call.arguments, ensure_ascii=False)}"


def called(text: str) -> Call | None:
    """The one call that a text is, in either form; None where it is anything else, or anything besides."""
    if found := _WRITTEN.fullmatch(text):
        arguments = _object(found["input"])
        return None if arguments is None else Call(found["action"], arguments, (found["thought"] or "").strip())
    if found := _MARKED.fullmatch(text):
        call = _object(found["call"]) or {}
        arguments = call.get("arguments", call.get("parameters"))
        if isinstance(call.get("name"), str) and isinstance(arguments, dict) and len(call) == 2:
            return Call(call["name"], arguments)
    return None


def may_become_call(beginning: str) -> bool:
    """Whether a text that begins so can still turn out to be a call."""
    begun = beginning.lstrip()
    return any(begun.startswith(opening) or opening.startswith(begun) for opening in _OPENINGS)


def _object(text: str) -> dict[str, Any] | None:
    """A JSON object in which no key stands twice; None for any other text."""

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len({key for key, _ in pairs}) < len(pairs):
            raise ValueError("a key stands twice")
        return dict(pairs)

    try:
        value = json.loads(text, object_pairs_hook=once)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(each) for each in value]
    return " ".join(_WORD.findall(unicodedata.normalize("NFKC", str(value)).lower()))
