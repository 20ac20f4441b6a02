"""What a tool is: its name, what it does, what it takes; read from plain words, a JSON schema or an OpenAPI excerpt."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import jsonschema_rs
import yaml

from trainer.errors import SourceError
from trainer.tools.plain_words import described

Kind = Literal["string", "integer", "number", "boolean"]

MOST_TOOLS, MOST_ARGUMENTS = 6, 8  # of a lesson, of a tool: what a small model tells apart
_METHODS = ("get", "post", "put", "patch", "delete")
_NAME = re.compile(r"[A-Za-z][\w.-]{0,63}")
_KINDS: dict[str, Kind] = {
    "string": "string", "str": "string", "integer": "integer", "int": "integer", "number": "number", "float": "number",
    "boolean": "boolean", "bool": "boolean",
}  # fmt: skip


@dataclass(frozen=True)
class Argument:
    """One thing that a tool takes. ``values``: the only ones that it can have; empty: any of its kind."""

    name: str
    kind: Kind = "string"
    description: str = ""
    required: bool = True
    values: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        """Its name in words: "number of beds"."""
        return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|[_.-]+", " ", self.name).strip().lower()

    @property
    def schema(self) -> dict[str, Any]:
        """As JSON schema."""
        return {
            "type": self.kind,
            **({"description": self.description} if self.description else {}),
            **({"enum": list(self.values)} if self.values else {}),
        }


@dataclass(frozen=True)
class Tool:
    """A tool that can be called by ``name``; ``does`` says what for, in a phrase that begins with a verb."""

    name: str
    does: str
    arguments: tuple[Argument, ...] = ()

    @property
    def parameters(self) -> dict[str, Any]:
        """What it takes, as JSON schema."""
        return {
            "type": "object",
            "properties": {each.name: each.schema for each in self.arguments},
            "required": [each.name for each in self.arguments if each.required],
            "additionalProperties": False,
        }

    @property
    def function(self) -> dict[str, Any]:
        """As chat templates and OpenAI's API describe it."""
        return {"type": "function", "function": {"name": self.name, "description": self.does, "parameters": self.parameters}}

    @cached_property
    def _validator(self) -> jsonschema_rs.Validator:
        return jsonschema_rs.validator_for(self.parameters)

    def takes(self, arguments: Mapping[str, Any]) -> bool:
        """Whether a call may have these arguments, by the schema."""
        return self._validator.is_valid(dict(arguments))


def tools_of(text: str) -> tuple[Tool, ...]:
    """The tools that a lesson describes. Raises SourceError with a sentence that says what is missing."""
    tools = tuple(_from_data(text)) or tuple(Tool(name, does, _plain_arguments(given)) for name, does, given in described(text))
    if not tools:
        raise SourceError("I could not make out the tool. Say what it does and what it needs: You can now look up the weather: it needs the city.")
    if len(tools) > MOST_TOOLS:
        raise SourceError(f"That describes {len(tools)} tools, and I can learn {MOST_TOOLS} in one lesson: teach them in several.")
    for tool in tools:
        if not _NAME.fullmatch(tool.name):
            raise SourceError("A tool's name may have letters, digits, dots, dashes and underscores, and begins with a letter.")
        if len(tool.arguments) > MOST_ARGUMENTS:
            raise SourceError(
                f"{tool.name} takes {len(tool.arguments)} arguments, and I can learn {MOST_ARGUMENTS}: leave out what is seldom needed."
            )
    if len({tool.name for tool in tools}) < len(tools):
        raise SourceError("Two of the tools have the same name. Please give each a name of its own.")
    return tools


def in_words(tool: Tool) -> str:
    """The tool as a plain sentence, as a teacher reads it."""
    takes = ", ".join(f"{each.name} ({_about(each)})" for each in tool.arguments)
    return f"{tool.name}: {tool.does}. " + (f"Arguments: {takes}." if takes else "It takes no arguments.")


def _about(argument: Argument) -> str:
    parts = [argument.description, argument.kind if argument.kind != "string" else "", " or ".join(argument.values)]
    return "; ".join([*filter(None, parts), "required" if argument.required else "optional"])


def _from_data(text: str) -> Iterator[Tool]:
    """Tools described by JSON, or by YAML where it is an OpenAPI excerpt."""
    for found in _blocks(text):
        if isinstance(found.get("paths"), dict):
            yield from _from_openapi(found)
        elif (tool := _from_schema(found)) is not None:
            yield tool


def _blocks(text: str) -> Iterator[dict[str, Any]]:
    decoder, at = json.JSONDecoder(), 0
    seen = False
    while (at := text.find("{", at)) >= 0:
        try:
            value, end = decoder.raw_decode(text, at)
        except (ValueError, RecursionError):
            at += 1
            continue
        seen, at = True, end
        if isinstance(value, dict):
            yield value
    lines = re.search(r"^(?:openapi|swagger|paths)\s*:.*", text, re.M | re.S)
    if lines and not seen:
        try:
            value = yaml.safe_load(re.sub(r"\n```.*", "", lines.group(), flags=re.S))
        except (yaml.YAMLError, RecursionError) as error:
            raise SourceError("That looks like OpenAPI, but it is not valid YAML. Please paste a whole excerpt, with its paths.") from error
        if isinstance(value, dict):
            yield value


def _from_schema(found: Mapping[str, Any]) -> Tool | None:
    """A function as OpenAI, Anthropic or a JSON schema with a title describe it."""
    found = found["function"] if isinstance(found.get("function"), dict) else found
    name = found.get("name") or found.get("title")
    schema = next((found[key] for key in ("parameters", "input_schema", "inputSchema") if isinstance(found.get(key), dict)), found)
    if not isinstance(name, str) or not (isinstance(schema.get("properties"), dict) or schema is not found):
        return None
    return Tool(name, _phrase(found.get("description"), name), _arguments(name, schema))


def _arguments(name: str, schema: Mapping[str, Any]) -> tuple[Argument, ...]:
    checked = {**schema, "type": "object"}  # some write "dict"
    properties = checked.get("properties") or {}
    required = checked.get("required") or []
    if not isinstance(properties, dict) or not isinstance(required, list):
        raise SourceError(f"The parameters of {name} are not a JSON schema that I can read.")
    return tuple(_argument(key, value, required=key in required) for key, value in properties.items())


def _argument(name: str, schema: Any, *, required: bool) -> Argument:
    schema = schema if isinstance(schema, dict) else {}
    kind = _KINDS.get(str(schema.get("type", "string")).lower())
    if kind is None:
        raise SourceError(
            f"{name} is of the type {schema.get('type')}, and I can learn texts, numbers and yes or no. Please describe it as one of these."
        )
    values = schema.get("enum") if isinstance(schema.get("enum"), list) else []
    return Argument(name, kind if not values else "string", str(schema.get("description") or ""), required, tuple(map(str, values)))


def _from_openapi(found: Mapping[str, Any]) -> Iterator[Tool]:
    for path, operations in found["paths"].items():
        for method, operation in (operations if isinstance(operations, dict) else {}).items():
            if method not in _METHODS or not isinstance(operation, dict):
                continue
            parts = [part for part in re.split(r"\W+", re.sub(r"\{[^}]*\}", "", str(path))) if part]
            name = str(operation.get("operationId") or "_".join([method, *parts]))
            arguments = [
                _argument(
                    str(each["name"]),
                    {"description": each.get("description"), **(each.get("schema") or {})},
                    required=bool(each.get("required")),
                )
                for each in operation.get("parameters") or []
                if isinstance(each, dict) and each.get("name") and each.get("in") in ("query", "path", None)
            ]  # fmt: skip
            content = (operation.get("requestBody") or {}).get("content") or {}
            body = (content.get("application/json") or {}).get("schema") or {}
            yield Tool(name, _phrase(operation.get("summary") or operation.get("description"), name), (*arguments, *_arguments(name, body)))


def _phrase(description: Any, name: str) -> str:
    """What it does, as a phrase without its full stop; from the name where nothing else says it."""
    said = re.split(r"(?<=\w)\.(?:\s|$)|\n", str(description or "").strip())[0].strip()
    said = said or Argument(name).label
    first = said.split()[0]
    verb = re.sub(r"(?<=[^s])s$", "", first) if re.fullmatch(r"[A-Z]?[a-z]+s", first) and not first.endswith(("ss", "ies")) else first
    return f"{verb[:1].lower()}{verb[1:]}{said[len(first) :]}" if not first.isupper() else said


def _plain_arguments(given: list[tuple[str, str, bool, tuple[str, ...]]]) -> tuple[Argument, ...]:
    found = []
    for words, description, required, values in given:
        name = re.sub(r"\W+", "_", words.strip().lower()).strip("_")
        number = re.search(r"\b(?:number|how many|count|amount|quantity)\b", f"{words} {description}", re.I)
        found.append(Argument(name, "integer" if number and not values else "string", description, required, values))
    return tuple({each.name: each for each in found if each.name}.values())
