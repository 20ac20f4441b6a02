"""Source text is data: what could steer a model, end a turn of its chat template or hide from a reader is taken out before anything reads it.

Signs that nobody sees and tokens of chat templates are removed. Passages that speak to a language model instead of to a reader are left out
whole, and counted, so that the receipt can name them. It is a net, not a proof: what slips through is still only asked about, never obeyed.
"""

from __future__ import annotations

import base64
import binascii
import codecs
import functools
import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from trainer.sources.parsing.blocks import Block

_JOINERS = "\u200c\u200d"  # some scripts need them inside words
_TOKENS = re.compile(
    r"<\s*[|｜]\s*[^<>|｜\n]{1,60}[|｜]\s*>|\[\s*/?\s*(?:INST|SYSTEM_PROMPT|AVAILABLE_TOOLS|TOOL_CALLS|TOOL_RESULTS)\s*\]|<<\s*/?\s*SYS\s*>>"
    r"|</?\s*(?:s|bos|eos|pad|unk|mask|sep|cls|start_of_turn|end_of_turn|think|thinking|tool_call|tool_response|function_call|system|assistant|user|human)\s*>"
    r"|<(?:begin|end)[_▁](?:of|▁of▁)[_▁]?\w{1,20}>|<0x[0-9A-F]{2}>|\[(?:gMASK|sMASK|CLS|SEP|MASK|PAD|UNK|BOS|EOS)\]",
    re.I,
)
_ROLES = re.compile(
    r"(?:^|\n)\s*(?:#{1,6}\s*)?(?:\*\*)?\s*(?:system|assistant|ai|chatbot|instruction|response)\s*(?:prompt|message)?(?:\*\*)?\s*:", re.I
)
_SPEAKERS = re.compile(r"\b(?:system|assistant|user|human|model|tool)\b", re.I)
_SPACED = re.compile(
    r"(ignore|disregard|forget|override)(all|any|the|your)?(previous|prior|above|earlier)?(instructions|rules|prompts)|youarenow|systemprompt"
)
_LOOKALIKE = str.maketrans("аеорсухіјѕԁһӏкмтвнАВЕКМНОРСТХІЈЅαεορτυνικΑΒΕΖΗΙΚΜΝΟΡΤΥΧı", "aeopcyxijsdhlkmtbhABEKMHOPCTXIJSaeoptuvikABEZHIKMNOPTYXi")
_LEET = str.maketrans("013457@$!", "oieastasi")
_ORDERS = Path(__file__).with_name("orders.txt")


@dataclass(frozen=True, slots=True)
class Cleaned:
    """What is left of a source, and what was left out, in phrases for the receipt."""

    blocks: tuple[Block, ...]
    skipped: tuple[str, ...]


def cleaned(blocks: Sequence[Block], special_tokens: Iterable[str] = ()) -> Cleaned:
    """The blocks as plain text, without those that speak to a model. ``special_tokens``: the base model's own."""
    own = tuple(token for token in special_tokens if len(token) > 1)
    plain = [replace(block, text=plain_text(block.text, own)) for block in blocks]
    suspect = [is_instruction(block.text) for block in blocks]
    for at in range(len(plain) - 1):  # an order that is cut in two
        if not suspect[at] and not suspect[at + 1] and plain[at].text and plain[at + 1].text and _across(plain[at].text, plain[at + 1].text):
            suspect[at] = suspect[at + 1] = True
    kept = tuple(block for block, bad in zip(plain, suspect, strict=True) if not bad and re.search(r"\w", block.text))
    count = sum(suspect)
    said = "1 passage that gives" if count == 1 else f"{count} passages that give"
    return Cleaned(kept, (f"{said} orders to a language model",) if count else ())


def plain_text(text: str, special_tokens: Iterable[str] = ()) -> str:
    """One line of visible text in which no token of a chat template is left, however it was nested."""
    text = _visible(text)
    own = [token for token in special_tokens if token.strip()]
    while True:
        shorter = _TOKENS.sub(" ", text)
        for token in own:
            shorter = shorter.replace(token, " ")
        if shorter == text:
            return " ".join(text.split())
        text = shorter


def is_instruction(text: str) -> bool:
    """Whether a passage speaks to a language model: gives it orders, fakes its turns, or hides such orders in an encoding."""
    if _ROLES.search(text) or (_TOKENS.search(text) and _SPEAKERS.search(text)):
        return True
    visible = _visible(text)
    if _orders(visible) or _orders(_visible(_TOKENS.sub(" ", text))):
        return True
    return any(_orders(other) for other in _decoded(visible))


def _visible(text: str) -> str:
    """Without control, format, private and tag characters; runs of combining marks shortened."""
    text = unicodedata.normalize("NFC", text)
    seen = "".join(c if c in "\n\t" or c in _JOINERS or unicodedata.category(c) not in ("Cc", "Cf", "Co", "Cs", "Cn") else "" for c in text)
    seen = re.sub(r"(?<![^\x00-\u02ff])[\u200c\u200d]+|[\u200c\u200d]+(?![^\x00-\u02ff])", "", seen)  # beside Latin letters they only hide
    return re.sub(r"([\u0300-\u036f\ufe00-\ufe0f]{2})[\u0300-\u036f\ufe00-\ufe0f]+", r"\1", seen)


def _orders(text: str) -> bool:
    if re.search(r"\b\w(?:[ .\-_*]{1,3}\w\b){5,}", text) and _SPACED.search(re.sub(r"\W|_", "", text).lower()):
        return True
    return any(pattern.search(form) for form in _forms(text) for pattern in _patterns())


def _forms(text: str) -> set[str]:
    """The text as it is, and as it is meant where letters were swapped, spaced out or made of look-alikes."""
    flat = " ".join(unicodedata.normalize("NFKC", text).split())
    latin = flat.translate(_LOOKALIKE)
    bare = "".join(c for c in unicodedata.normalize("NFD", latin) if not unicodedata.combining(c))
    forms = {flat, latin, bare, re.sub(r"[*_~`|\\/]+", "", bare)}
    if re.search(r"[A-Za-z][013457@$!][A-Za-z]|\b[013457@$!][A-Za-z]", bare):
        forms.add(bare.translate(_LEET))
    if re.search(r"\w-\w+-\w", bare):
        forms.add(bare.replace("-", " "))
        forms.add(bare.replace("-", ""))
    return forms


def _decoded(text: str) -> list[str]:
    """What the text says backwards, in ROT13, and where a piece of it is base64 or hexadecimal."""
    found = [text[::-1], codecs.decode(text, "rot13")]
    for piece in re.findall(r"[A-Za-z0-9+/_-]{24,}={0,2}", text)[:20]:
        for decode in (lambda p: base64.b64decode(p + "=" * (-len(p) % 4), altchars=b"-_" if "-" in p or "_" in p else None), bytes.fromhex):
            try:
                found.append(decode(piece).decode("utf-8"))
            except (ValueError, binascii.Error):
                continue
    return found


@functools.cache
def _patterns() -> tuple[re.Pattern[str], ...]:
    """The lines of orders.txt, with what the names in them stand for."""
    lines = [line for line in _ORDERS.read_text(encoding="utf-8").splitlines() if line and not line.startswith("#")]
    names = dict(line.split(" = ", 1) for line in lines if re.match(r"[A-Z]+ = ", line))
    patterns = [line for line in lines if not re.match(r"[A-Z]+ = ", line)]
    return tuple(re.compile(re.sub(r"%([A-Z]+)%", lambda found: names[found[1]], pattern), re.I) for pattern in patterns)


def _across(one: str, other: str) -> bool:
    """Whether the end of one passage and the beginning of the next make an order that neither is alone."""
    return _orders(f"{one[-160:]} {other[:160]}")
