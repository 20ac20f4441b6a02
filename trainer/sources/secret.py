"""Finds what should not be taught by accident: keys and tokens, private keys, card and account numbers, passwords.

Keys and tokens are told by their makers' own forms (the detect-secrets package; nothing is ever asked of a maker's server), numbers by their
check digits, passwords by the words before them. A value is only ever compared, never logged: it stays out of every repr.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cache

from detect_secrets.plugins.aws import AWSKeyDetector
from detect_secrets.plugins.azure_storage_key import AzureStorageKeyDetector
from detect_secrets.plugins.base import RegexBasedDetector
from detect_secrets.plugins.discord import DiscordBotTokenDetector
from detect_secrets.plugins.github_token import GitHubTokenDetector
from detect_secrets.plugins.gitlab_token import GitLabTokenDetector
from detect_secrets.plugins.mailchimp import MailchimpDetector
from detect_secrets.plugins.pypi_token import PypiTokenDetector
from detect_secrets.plugins.sendgrid import SendGridDetector
from detect_secrets.plugins.slack import SlackDetector
from detect_secrets.plugins.square_oauth import SquareOAuthDetector
from detect_secrets.plugins.stripe import StripeDetector
from detect_secrets.plugins.telegram_token import TelegramBotTokenDetector
from detect_secrets.plugins.twilio import TwilioKeyDetector

from trainer.sources.parsing.blocks import Block
from trainer.sources.parts import sentences

ACCESS_KEY, PRIVATE_KEY, CARD, ACCOUNT, PASSWORD = "an access key", "a private key", "a card number", "a bank account number (IBAN)", "a password"

_MAKERS: tuple[type[RegexBasedDetector], ...] = (
    AWSKeyDetector, AzureStorageKeyDetector, DiscordBotTokenDetector, GitHubTokenDetector, GitLabTokenDetector, MailchimpDetector,
    PypiTokenDetector, SendGridDetector, SlackDetector, SquareOAuthDetector, StripeDetector, TelegramBotTokenDetector, TwilioKeyDetector,
)  # fmt: skip
_OTHER_MAKERS = re.compile(  # forms that the package does not know, or takes time with that grows with the square of a hostile text
    r"\b(?:AIza[\w-]{35}|sk-(?:(?:ant|proj|or)-[\w-]{24,300}|[A-Za-z0-9]{32,100})|(?:hf|npm)_[A-Za-z0-9]{30,60}|github_pat_\w{40,100}|(?:xai-|gsk_)\w{40,100}"
    r"|eyJ[\w-]{10,2000}\.eyJ[\w-]{10,4000}\.[\w-]{10,1000})"
    r"|://[^\s:/@]{1,100}:[^\s:/@]{1,100}@"
)
_KEY_BEGINS = re.compile(r"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----|PuTTY-User-Key-File-\d")
_KEY_ENDS = re.compile(r"-----END (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----")
_CARD = re.compile(r"(?<![\w.,/-])(?:3[0-9]|4\d|5[0-9]|6[0-9]|2[2-7])\d{2}(?:[ -]?\d){9,15}(?![\w-]|[.,]\d)")
_ACCOUNT = re.compile(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,4})?\b")
_SAID = re.compile(
    r"\b(?P<what>pass ?words?|pass ?phrase|pass ?code|pwd|passwort|kennwort|mot de passe|contrase[ñn]a|pin|(?:api|access|secret|private) ?key"
    r"|(?:access|auth|bearer|api|secret) token|client secret|security code|cvv|cvc|login)\b(?! (?:code|manager|policy|reset)s?\b)"
    r"(?P<whose>(?: (?:for|of|to|on|at|in) [^.:=!?\n]{1,60}?)?)\s*(?P<says>:|=|\bis\b|\bare\b|\blautet\b|\bist\b|\best\b|\bes\b)\s*[\"'`“‘«]?"
    r"(?P<value>[^\s\"'`”’»]{3,200})",
    re.I,
)  # fmt: skip
_SHARED = re.compile(r"\bwi-?fi\b|\bwlan\b|\bhotspot\b|\bguests?\b|\bnetwork\b", re.I)  # passwords that hang on the wall
_NO_VALUE = frozenset(
    [
        "the",
        "and",
        "not",
        "now",
        "too",
        "very",
        "still",
        "always",
        "never",
        "only",
        "also",
        "just",
        "kept",
        "stored",
        "saved",
        "written",
        "changed",
        "reset",
        "required",
        "needed",
        "optional",
        "necessary",
        "wrong",
        "correct",
        "right",
        "strong",
        "weak",
        "safe",
        "unsafe",
        "secret",
        "known",
        "unknown",
        "missing",
        "invalid",
        "valid",
        "expired",
        "empty",
        "blank",
        "hidden",
        "encrypted",
        "hashed",
        "yours",
        "mine",
        "his",
        "hers",
        "long",
        "short",
        "set",
        "used",
        "shared",
        "sent",
        "asked",
        "given",
        "called",
        "case-sensitive",
        "easy",
        "hard",
        "important",
        "different",
        "printed",
        "here",
        "there",
        "below",
        "above",
        "forgotten",
        "lost",
        "something",
        "anything",
        "everything",
        "nothing",
        "what",
        "none",
        "null",
        "true",
        "false",
        "yes",
        "your",
        "our",
        "their",
        "this",
        "that",
        "for",
        "with",
        "one",
        "required.",
        "n/a",
        "password",
    ]
)


@dataclass(frozen=True, slots=True)
class Secret:
    """What kind of secret stands in a text, in words, and the secret itself."""

    kind: str
    value: str = field(repr=False)


def secrets_in(text: str) -> tuple[Secret, ...]:
    """The secrets of a text, each once; empty where there are none."""
    return tuple(dict.fromkeys(_found(text)))


def kinds_of(secrets: Iterable[Secret]) -> tuple[str, ...]:
    """What kinds of secrets these are, in words, each once."""
    return tuple(dict.fromkeys(secret.kind for secret in secrets))


def without_secrets(blocks: Sequence[Block], confirmed: str = "") -> tuple[tuple[Block, ...], tuple[str, ...]]:
    """The blocks less the sentences that hold a secret, and what is said about those.

    What stands in ``confirmed``, the user's own words that they were asked about, is no secret from their model.
    """
    kept: list[Block] = []
    kinds: list[str] = []
    inside = False  # a private key, which goes on until its last line
    for block in blocks:
        if block.kind == "code":  # which is not learned anyway
            kept.append(block)
            continue
        text, inside, keys = _without_keys(block.text, inside)
        said = []
        for sentence in sentences(text):
            found = [secret for secret in secrets_in(sentence) if secret.value not in confirmed]
            if found:
                kinds += kinds_of(found)
            else:
                said.append(sentence)
        kinds += [PRIVATE_KEY] * keys
        left = " ".join(said)
        if left.strip():
            kept.append(block if left == block.text else replace(block, text=left))
    if not kinds:
        return tuple(blocks), ()
    count = "1 sentence that holds" if len(kinds) == 1 else f"{len(kinds)} sentences that hold"
    return tuple(kept), (f"{count} something secret ({', '.join(dict.fromkeys(kinds))})",)


def _found(text: str) -> Iterator[Secret]:
    if _KEY_BEGINS.search(text):
        yield Secret(PRIVATE_KEY, text)
    for maker in _makers():
        for value in maker.analyze_string(text):
            yield Secret(ACCESS_KEY, value)
    for found in _OTHER_MAKERS.finditer(text):
        yield Secret(ACCESS_KEY, found[0])
    for found in _CARD.finditer(text):
        if _is_card(re.sub(r"\D", "", found[0])):
            yield Secret(CARD, found[0])
    for found in _ACCOUNT.finditer(text):
        if _is_account(found[0].replace(" ", "")):
            yield Secret(ACCOUNT, found[0])
    for found in _SAID.finditer(text):
        value = found["value"].rstrip(".,;!?)")
        around = text[max(0, found.start() - 120) : found.end()]
        if not _SHARED.search(around) and _is_value(value, found["what"].lower(), is_stated=found["says"].isalpha(), ends=_ends(text, found.end())):
            yield Secret(ACCESS_KEY if "key" in found["what"].lower() or "token" in found["what"].lower() else PASSWORD, value)


def _is_card(digits: str) -> bool:
    """Luhn's check (ISO/IEC 7812-1), on what is no run of one digit."""
    doubled = [int(digit) * (2 if at % 2 else 1) for at, digit in enumerate(reversed(digits))]
    return 13 <= len(digits) <= 19 and len(set(digits)) > 1 and sum(number - 9 if number > 9 else number for number in doubled) % 10 == 0


def _is_account(number: str) -> bool:
    """The check of ISO 13616: letters as numbers from 10, the first four signs last, remainder 1 by 97."""
    return 15 <= len(number) <= 34 and int("".join(str(int(sign, 36)) for sign in number[4:] + number[:4])) % 97 == 1


def _is_value(value: str, what: str, *, is_stated: bool, ends: bool) -> bool:
    """Whether what stands behind "the password is" is one, and no remark about it."""
    if len(value) < 3 or value.lower() in _NO_VALUE:
        return False
    looks_made = bool(re.search(r"\d", value) or re.search(r"[^\w'’-]", value) or re.search(r"[a-z][A-Z]", value))
    if what in ("pin", "cvv", "cvc") or what.endswith(" code"):
        return bool(re.fullmatch(r"\d[\d-]{2,9}", value))
    if "key" in what or "token" in what:
        return looks_made and len(value) >= 8
    return looks_made or (ends and not (is_stated and value.lower().endswith(("ed", "ing"))))


def _ends(text: str, at: int) -> bool:
    """Whether nothing more is said in this sentence."""
    return not re.match(r"[\"'`”’»)]*\s+\w", text[at:]) or text[at - 1] in ".!?"


def _without_keys(text: str, inside: bool) -> tuple[str, bool, int]:
    """A block's text without private keys; whether one goes on in the next block; how many began here."""
    count = 0
    while True:
        if inside:
            end = _KEY_ENDS.search(text)
            if end is None:
                # A key whose last line is missing must not swallow the document: what reads like sentences is text again.
                return ("", True, count) if _is_encoded(text) else (text, False, count)
            text, inside = text[end.end() :], False
        begin = _KEY_BEGINS.search(text)
        if begin is None:
            return text, False, count
        count += 1
        end = _KEY_ENDS.search(text, begin.end())
        if end is None:
            return text[: begin.start()], True, count
        text = text[: begin.start()] + text[end.end() :]


def _is_encoded(text: str) -> bool:
    """Whether a text is lines of a key rather than words."""
    words = text.split()
    return not words or sum(map(len, words)) / len(words) > 16 or any(len(word) >= 40 for word in words)


@cache
def _makers() -> tuple[RegexBasedDetector, ...]:
    return tuple(maker() for maker in _MAKERS)
