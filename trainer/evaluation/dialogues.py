"""Requests that people wrote, each with the call that answers it: from the task dialogues of Schema-Guided Dialogue (Rastogi et al. 2020).

    python -m trainer.evaluation.dialogues sgd_dialogues.jsonl.xz tests/data/tool_dialogues.jsonl.xz

keeps of them what can be answered at once: a call whose values all stand in the last things that the user said. CC BY-SA 4.0.
"""

from __future__ import annotations

import json
import lzma
import re
import sys
import zlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random
from typing import Any

from trainer.errors import TrainerError
from trainer.tools.calls import Call
from trainer.tools.description import Argument, Tool

TESTED = 25  # percent of the dialogues of the three tools whose requests are asked, never trained on
KEPT = 6000  # requests at most, as many as in the paper's labelled data
TURNS, WORDS = 3, 45  # of what the user said, before a call

_NUMBERS = ("1", "2", "3", "4")
TOOLS = {
    ("Media_1", "FindMovies"): Tool(
        "find_movies", "explore movies online by genre and optionally director",
        (
            Argument("genre", description="Genre of the movie"),
            Argument("directed_by", description="Name of the director of the movie", required=False),
        ),
    ),
    ("Homes_1", "FindApartment"): Tool(
        "find_apartment", "find an apartment in a city for a given number of bedrooms",
        (
            Argument("area", description="City where the apartment is located"),
            Argument("number_of_beds", description="Number of bedrooms", values=_NUMBERS),
            Argument("number_of_baths", description="Number of baths in the apartment", required=False, values=_NUMBERS),
        ),
    ),
    ("Weather_1", "GetWeather"): Tool("get_weather", "get the weather of a certain location", (Argument("city", description="Name of the city"),)),
}  # fmt: skip
"""The tools that are tested, as their schema describes them, less what the dialogues do not say in the words of the call (dates)."""

_ALIKE = ("Media_", "Movies_", "Homes_", "Weather_")  # other services for the same things would only be another right answer


class DialoguesError(TrainerError):
    """The labelled requests cannot be used."""


@dataclass(frozen=True)
class Labelled:
    """A request and the call that is right for it. ``tested``: of one of the tools, and not to be trained on."""

    request: str
    tool: str
    arguments: dict[str, Any]
    tested: bool

    @property
    def call(self) -> Call:
        """The call, with the thought of all calls."""
        return Call(self.tool, self.arguments, f"I need {self.tool} for this.")


def read(path: Path) -> list[Labelled]:
    """The rows of an extract. Raises DialoguesError."""
    try:
        with lzma.open(path, "rt", encoding="utf-8") if path.suffix == ".xz" else path.open(encoding="utf-8") as lines:
            rows = [Labelled(**json.loads(line)) for line in lines if line.strip()]
    except OSError as error:
        raise DialoguesError(f"The labelled requests {path} cannot be read: {error.strerror or error}.") from error
    except (lzma.LZMAError, ValueError, TypeError) as error:
        raise DialoguesError(
            f'{path} does not hold labelled requests: expected {{"request": …, "tool": …, "arguments": …, "tested": …}} a line.'
        ) from error
    if not any(row.tested for row in rows):
        raise DialoguesError(f"{path} holds no request to test with.")
    return rows


def extracted(dialogues: Path, kept: int = KEPT) -> list[Labelled]:
    """Labelled requests of the raw dialogues: all of the tested tools, filled up with those of other services."""
    own: list[Labelled] = []
    others: list[Labelled] = []
    seen: set[str] = set()
    for service, row in _requests(dialogues):
        if row.request.lower() in seen:
            continue
        seen.add(row.request.lower())
        (own if service in TOOLS else others).append(row)
    Random(0).shuffle(others)
    return [*own, *others[: max(0, kept - len(own))]]


def _requests(dialogues: Path) -> Iterator[tuple[tuple[str, str], Labelled]]:
    with lzma.open(dialogues, "rt", encoding="utf-8") as lines:
        for line in lines:
            dialogue, said = json.loads(line), []
            for turn in dialogue["turns"]:
                if turn["speaker"] == "USER":
                    said.append(" ".join(turn["utterance"].split()))
                for call in turn.get("calls", ()):
                    service = (call["service"], call["method"])
                    row = _labelled(said, service, call["parameters"], dialogue["id"])
                    said = []
                    if row is not None:
                        yield service, row


def _labelled(said: list[str], service: tuple[str, str], parameters: dict[str, Any], dialogue: str) -> Labelled | None:
    if not said or not parameters or (service not in TOOLS and service[0].startswith(_ALIKE)):
        return None
    for turns in range(min(2, len(said)), TURNS + 1):  # two at least, if there are: the last alone often only says "in Oakland"
        request = " ".join(said[-turns:])
        if all(re.search(rf"\b{re.escape(str(value))}\b", request, re.I) for value in parameters.values()):
            break
    else:
        return None
    if len(request.split()) > WORDS:
        return None
    tool = TOOLS.get(service)
    if tool is None:
        return Labelled(request, re.sub(r"(?<=[a-z])(?=[A-Z])", "_", service[1]).lower(), parameters, tested=False)
    arguments = {each.name: parameters[each.name] for each in tool.arguments if each.name in parameters}
    if len(arguments) < len(parameters) or not tool.takes(arguments):
        return None
    return Labelled(request, tool.name, arguments, tested=zlib.crc32(dialogue.encode()) % 100 < TESTED)


if __name__ == "__main__":
    source, target = map(Path, sys.argv[1:])
    with lzma.open(target, "wt", encoding="utf-8", preset=9) as out:
        out.writelines(json.dumps(asdict(row), ensure_ascii=False) + "\n" for row in extracted(source))
