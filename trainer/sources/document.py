"""One source from bytes to parts: parsed in a process of its own, cleaned, cut, and described for the receipt."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

from storage.records import NewPart, ReadSource
from trainer.errors import SourceError
from trainer.settings import SourceSettings
from trainer.sources.cleaning import cleaned
from trainer.sources.parsing.blocks import Parsed
from trainer.sources.parsing.parser import parse
from trainer.sources.parts import in_parts, words_of
from trainer.sources.secret import secrets_in, without_secrets


@dataclass(frozen=True, slots=True)
class Reading:
    """What a source gave: what the receipt says about it, and its parts."""

    about: ReadSource
    parts: tuple[NewPart, ...]


def read_document(
    content: bytes, name: str, settings: SourceSettings, *, media_type: str = "", file_name: str | None = None,
    special_tokens: Iterable[str] = (), confirmed: str = "",
) -> Reading:  # fmt: skip
    """Read a file or page that is called ``name`` to the user. Raises SourceError for each thing that can be wrong with it.

    Secrets are left out, but for those in ``confirmed``: what the user wrote themselves, and was asked about.
    """
    return of_parsed(parse(content, name, settings, media_type, file_name), name, special_tokens, settings.passage_words, confirmed)


def of_parsed(parsed: Parsed, name: str, special_tokens: Iterable[str] = (), passage_words: int = 60, confirmed: str = "") -> Reading:
    """What is left of a parsed source to learn. Raises SourceError where that is nothing."""
    clean = cleaned(parsed.blocks, special_tokens)
    blocks, secret = without_secrets(clean.blocks, confirmed)
    parts = in_parts(blocks, passage_words)
    skipped = [*parsed.skipped, *clean.skipped, *secret]
    code = sum(block.kind == "code" for block in clean.blocks)
    if code:
        skipped.append("1 piece of code" if code == 1 else f"{code} pieces of code")
    if not parts:
        without = f" once {_listed(skipped)} {'is' if len(skipped) == 1 and skipped[0].startswith('1 ') else 'are'} left out" if skipped else ""
        raise SourceError(f"There is no sentence in {name} that I could learn{without}.")
    title = None if secrets_in(parsed.title or "") else parsed.title
    about = ReadSource(
        digest=digest_of(parts), title=title, author=parsed.author, published=parsed.date, language=parsed.language, pages=parsed.pages,
        words=words_of(parts), skipped=tuple(skipped),
    )  # fmt: skip
    return Reading(about, tuple(parts))


def shortened(reading: Reading, most_parts: int) -> Reading:
    """The beginning of a reading, and what is said about the rest."""
    if len(reading.parts) <= most_parts:
        return reading
    parts, rest = reading.parts[:most_parts], reading.parts[most_parts:]
    said = f"the last {words_of(rest):,} words, because I learn {words_of(parts):,} at once; teach them in a lesson of their own"
    about = replace(reading.about, words=words_of(parts), skipped=(*reading.about.skipped, said))
    return Reading(about, parts)


def digest_of(parts: Iterable[NewPart]) -> str:
    """The same for the same words, however they are spaced and whatever file they came in."""
    words = re.findall(r"\w+", " ".join(passage for part in parts for passage in part.passages).lower())
    return hashlib.sha256(" ".join(words).encode()).hexdigest()


def _listed(items: list[str]) -> str:
    return " and ".join(filter(None, [", ".join(items[:-1]), items[-1]]))
