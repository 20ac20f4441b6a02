"""Discord's own description of its HTTP API (OpenAPI 3.1): which operation a request is, and what is wrong with it."""

from __future__ import annotations

import json
import lzma
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

from jsonschema_rs import Draft202012Validator, Registry, ValidationError

SOURCE = Path(__file__).parents[2] / "data" / "discord_openapi.json.xz"
_NAME = "urn:discord"
_MASK = "the value"  # a fault names its place; the value itself may be 4,000 characters
_METHODS = ("get", "post", "put", "patch", "delete")


@dataclass(frozen=True)
class Operation:
    """One method of one route."""

    id: str
    method: str
    template: str
    pattern: re.Pattern[str]
    public: bool
    """Whether it may be asked for without a token."""
    details: Mapping[str, Any]
    parameters: tuple[Mapping[str, Any], ...]

    @property
    def pointer(self) -> str:
        """Where it stands in the description."""
        return f"/paths/{_escaped(self.template)}/{self.method.lower()}"


class Description:
    """Finds and checks requests; validators are built when an operation is first used, for the whole takes seconds."""

    def __init__(self, source: Path = SOURCE) -> None:
        document = json.loads(lzma.decompress(source.read_bytes()))
        # The one place where the description is narrower than the API: an id may also be sent as a number, as discord.py does.
        document["components"]["schemas"]["SnowflakeType"]["type"] = ["string", "integer"]
        self._document = document
        self._registry = Registry([(_NAME, document)])
        self._validators: dict[str, Draft202012Validator] = {}
        self._operations = sorted(_operations(document["paths"]), key=lambda each: each.template.count("{"))

    def operation(self, method: str, path: str) -> tuple[Operation, dict[str, str]] | None:
        """The operation, and the values in its path; a route with fewer variables goes before one with more."""
        for each in self._operations:
            if each.method == method and (found := each.pattern.fullmatch(path)):
                return each, found.groupdict()
        return None

    def problems(
        self,
        operation: Operation,
        path: Mapping[str, str],
        query: Mapping[str, str],
        body: Any,
        content_type: str | None,
    ) -> list[str]:
        """What is wrong with a request; `body` is decoded JSON, with `files[n]` entries where it came as multipart."""
        return [
            *self._parameter_problems(operation, "path", path),
            *self._parameter_problems(operation, "query", query),
            *self._body_problems(operation, body, content_type),
        ]

    def answer_problems(self, operation: Operation, status: int, body: Any) -> list[str]:
        """What is wrong with an answer that the fake is about to give."""
        responses = operation.details["responses"]
        if str(status) not in responses:
            return [f"{operation.id} has no answer {status}"]
        if "application/json" not in responses[str(status)].get("content", {}):
            return [] if body is None else [f"the answer {status} of {operation.id} has no body"]
        pointer = f"{operation.pointer}/responses/{status}/content/application~1json/schema"
        return _explained(self._validator(pointer).iter_errors(body))

    def _parameter_problems(self, operation: Operation, place: str, values: Mapping[str, str]) -> list[str]:
        known = {each["name"]: (each, index) for index, each in enumerate(operation.parameters) if each["in"] == place}
        problems = [f"{place}: {name} is unknown to {operation.id}" for name in values if name not in known]
        for name, (parameter, _) in known.items():
            if name in values:
                schema = parameter["schema"]
                validator = self._parameter_validator(json.dumps(schema))
                problems += [f"{place}: {name}: {error}" for error in _unless_any(validator, _readings(values[name]))]
            elif parameter.get("required"):
                problems.append(f"{place}: {name} is missing")
        return problems

    def _body_problems(self, operation: Operation, body: Any, content_type: str | None) -> list[str]:
        described = operation.details.get("requestBody")
        if described is None:
            return [f"{operation.id} takes no body"] if body not in (None, {}) else []
        if body is None:
            return ["the body is missing"] if described.get("required") else []
        if content_type not in described["content"]:
            return [f"{operation.id} takes no {content_type}"]
        pointer = f"{operation.pointer}/requestBody/content/{_escaped(content_type or '')}/schema"
        return _explained(self._validator(pointer).iter_errors(body))

    def _validator(self, pointer: str) -> Draft202012Validator:
        if pointer not in self._validators:
            schema = {"$ref": f"{_NAME}#{quote(pointer)}"}
            self._validators[pointer] = Draft202012Validator(schema, registry=self._registry, validate_formats=True, mask=_MASK)
        return self._validators[pointer]

    def _parameter_validator(self, schema: str) -> Draft202012Validator:
        if schema not in self._validators:
            absolute = json.loads(schema.replace('"#/', f'"{_NAME}#/'))
            self._validators[schema] = Draft202012Validator(absolute, registry=self._registry, mask=_MASK)
        return self._validators[schema]


@cache
def description() -> Description:
    """The description, read once per process."""
    return Description()


def _operations(paths: Mapping[str, Any]) -> Iterable[Operation]:
    for template, item in paths.items():
        pattern = re.compile(re.sub(r"\\{(\w+)\\}", r"(?P<\1>[^/]+)", re.escape(template)))
        for method in _METHODS:
            if details := item.get(method):
                parameters = (*item.get("parameters", ()), *details.get("parameters", ()))
                public = {} in details.get("security", [{}])
                yield Operation(details["operationId"], method.upper(), template, pattern, public, details, parameters)


def _readings(value: str) -> list[Any]:
    """What a text in a URL may stand for."""
    readings: list[Any] = [value]
    if re.fullmatch(r"-?\d+", value):
        readings.append(int(value))
    if value.lower() in ("true", "1"):
        readings.append(True)
    elif value.lower() in ("false", "0"):
        readings.append(False)
    return [*readings, [value]]


def _unless_any(validator: Draft202012Validator, readings: list[Any]) -> list[str]:
    if any(validator.is_valid(each) for each in readings):
        return []
    return _explained(validator.iter_errors(readings[0]))


def _explained(errors: Iterable[ValidationError]) -> list[str]:
    return [f"{'.'.join(map(str, each.instance_path)) or 'body'}: {each.message}" for each in map(_innermost, errors)]


def _innermost(error: ValidationError) -> ValidationError:
    """Of a union that nothing fits, the fault of the member that was meant: the one whose `type` fits, else the nearest."""
    branches: list[list[ValidationError]] = getattr(error.kind, "context", None) or []
    if not branches:
        return error
    depth = len(error.instance_path)

    def distance(branch: list[ValidationError]) -> tuple[bool, int]:
        other_kind = any(len(each.instance_path) <= depth or each.instance_path[depth:] == ["type"] for each in branch)
        return other_kind, len(branch)

    return _innermost(min(branches, key=distance)[0])


def _escaped(part: str) -> str:
    return part.replace("~", "~0").replace("/", "~1")
