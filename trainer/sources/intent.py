"""Which source a lesson means: the sentence itself, what is attached or linked, or the web. Standard library only: the bot decides with it.

The words decide: who orders somebody to look, search or keep up with something means the web; who states something means the statement.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Kind = Literal["instruction", "document", "web", "tool"]

_LINK = re.compile(r"<?(?:https?://|(?<![\w@./])www\.)[^\s<>\"]+>?", re.I)
_POLITE = re.compile(
    r"^\s*(?:(?:please|pls|kindly|hey|hi|ok(?:ay)?|so|now|also|then|just|bitte|por favor|s.il te pla[iî]t)\b[,:]?\s*"
    r"|(?:can|could|would|will) you (?:please )?|i(?:.d| would) like you to |i want you to |i need you to |you (?:should"
    r"|must) (?!know)|try to |go (?:and )?(?=look|find|search|check|read|get))+",
    re.I,
)
_READ = (
    r"read|learn|study|memori[sz]e|remember|take in|take a look|have a look|look|have a read|check out|check|go through|see|open|digest|summari[sz]e"
    r"|absorb|know|fetch|lies|lern\w*|lis|lisez|apprends|lee|aprende|leggi|impara|lees|leer"
)
_READS = re.compile(rf"^(?:{_READ})\b", re.I)
_POINTS = re.compile(
    r"\b(?:this|these|the|that|attached|following) (?:page|article|link|site|website|post|paper|pdf|document|file|text|one|url"
    r"|blog)s?\b",
    re.I,
)
_STATES_LINK = re.compile(
    r"\b(?:is|are|was|were|lives?|sits?|can be (?:found|reached|read)|is found|stands|reach(?:ed)?|write to|runs"
    r"|moved) (?:\w+ ){0,4}(?:at|on|under|via|to|here)?[:\s]*$"
    r"|\b(?:is|are) (?:now )?$",
    re.I,
)
_TOPIC = (
    r"(?:news|headlines|developments?|articles?|information|info|figures|results|scores|prices?|rates?|posts?|studies|reviews?|tips"
    r"|weather|warnings|forecasts?)"
)
_FRESH = r"(?:latest|newest|current|recent|today.s|this week.s|up-to-date|breaking|new)"
_WEB = re.compile(
    "^(?:"
    + "|".join(
        (
            r"search(?:es)? (?:\w+ ){0,2}(?:the )?(?:web|net|internet|online|google)\b|search (?:for|online|about)\b|(?:do|make) (?:a "
            r"|some )?(?:web |online |internet )?(?:search|research)\b",
            r"(?:look|check|browse|see|find|search|go) (?:\w+ ){0,4}(?:on|in|through|from) the (?:web|internet|net)\b|(?:look|check|search"
            r"|browse) (?:online|the web|the internet|for)\b",
            r"(?:look up|google|browse|research|investigate) (?!to\b|is\b|was\b|are\b|has\b)|find out\b"
            r"|find (?:me )?(?:\w+ ){0,2}" + _TOPIC + r"\b|find (?:me )?(?:some |more )?" + _FRESH,
            r"(?:keep|stay|be|get|bring|keep yourself|bring yourself|keep me) (?:yourself |me )?(?:up(?: to date)?|informed|posted|current"
            r"|updated|abreast)\b(?: with| on| about| of)",
            r"keep (?:an eye on|track of|watching|following)\b|catch up (?:on|with)\b|read up (?:on|about)\b|update yourself\b|inform yourself\b",
            r"(?:follow|track|monitor|watch) (?:the |what |all |any |every |how |developments?|news)\b(?!style|rules?|guide|instructions)",
            r"(?:track|monitor|watch|follow) (?:\w+ ){0,3}(?:news|price|rate|quality|developments?|progress|market)s?\b",
            r"(?:get|fetch|give|bring|show|check|gather|collect|look for|find|learn|see|tell me|follow|watch|read) (?:me )?(?:about )?(?:the "
            r"|some |all )?(?:very )?" + _FRESH + r"\b",
            r"(?:get|fetch|gather|collect|check|look for|watch|read|browse for) (?:me )?(?:the |some |all |more )?" + _TOPIC + r"\b",
            r"(?:check|see|look) what\b|what.?s (?:new|happening|going on)\b|what (?:is|was|are) (?:new|happening|going on)\b"
            r"|learn (?:everything|all|more|something)? ?(?:there is )?(?:to know )?about (?:the )?" + _FRESH,
            r"learn .{1,80}\b(?:from|on|off) the (?:web|internet)\b|.{0,60}\b(?:on|from) the (?:web|internet),? please\b",
            r"(?:the |some |any )?" + _FRESH + r" " + _TOPIC + r"\b(?!.*\b(?:is|are|was|were|starts?|begins?|ends?)\b)|today.s (?:news"
            r"|headlines)\b(?!.*\b(?:is|are)\b)",
            r"such\w* (?:im (?:internet|netz|web)|online|nach)\b|cherche\w* (?:sur|dans|en ligne)\b|busca\w* (?:en (?:internet|la web"
            r"|l[ií]nea)|por)\b|cerca\w* (?:su|in) (?:internet|rete)\b|zoek\w* (?:op|naar|online)\b",
        )
    )
    + ")",
    re.I,
)
_TOOL_DATA = re.compile(
    r"\"(?:parameters|input_?schema)\"\s*:\s*\{|\"paths\"\s*:\s*\{\s*\"/|^[ \t]*paths\s*:\s*\n\s+/|^[ \t]*(?:openapi|swagger)\s*:", re.I | re.M
)
_ABLE = (
    r"(?:from now on,? you (?:can|may)|you (?:can now|may now|can also|are now able to|now can"
    r"|can use (?:a|the|this)(?: new)? (?:tool|function|api)))"
)
_TOOL_NAMED = re.compile(
    rf"^{_ABLE}(?: use)? (?:a |the |this )?(?:new )?(?:tool|function|api)\b"
    r"|^(?:here is |this is |there is )?(?:a |the )?new (?:tool|function)(?::| called\b| named\b| that\b)",
    re.I,
)
_TOOL_ABLE = re.compile(
    rf"^{_ABLE}(?: also)? (?:look up|look for|find|find out|search|check|get|fetch|book|order|reserve|buy|convert|translate|calculate|compute|send"
    r"|set|add|play"
    r"|schedule|list|show|track|call|create|make|turn|start|stop|switch|open|close|query|read|rent|measure|count|explore|plan|cancel|remind|post)\b",
    re.I,
)
_TOOL_TAKES = re.compile(
    r":\s*(?:here is how|give|it (?:needs|takes|wants)|needs|takes|with|the arguments?|arguments?|parameters?|inputs?|\s*[-*•])"
    r"|\b(?:it|the tool|the function|this) (?:needs|takes|wants|requires)\b|\b(?:arguments?|parameters?|inputs?)\b|\bgive it\b|here is how"
    r"|^\s*[-*•] ",
    re.I | re.M,
)
_QUESTION = re.compile(
    r"^(?:who|what|when|where|which|why|how|whose|whom|is|are|was|were|does|do|did|has|have|will|can|wer|was|wann|wo|wie|qui|quand"
    r"|o[uù]|combien|cu[aá]ndo|qui[eé]n|d[oó]nde)\b.*\?\s*$",
    re.I,
)
_STATES = re.compile(
    r"\b(?:is|are|was|were|am|be|been|has|have|had|do|does|did|don.t|doesn.t|can|can.t|cannot|could|will|won.t|would|should|must|may"
    r"|might|shall|i|i.m|i.ve|we|he|she|it|they"
    r"|my|our|his|her|their|me|us|ist|sind|hei[sß]+t|war|hat|haben|wohnt|est|sont|es|son|tiene|[eè]|sono|heet|heeft)\b|[:=]|\d",
    re.I,
)
_REMEMBER = re.compile(
    r"^(?:remember|note|keep in mind|fyi|nb|you should know|know that|bear in mind|mind that|don.t forget|merk dir|retiens|recuerda)\b", re.I
)


@dataclass(frozen=True, slots=True)
class Intent:
    """What a lesson means; ``kind`` None where the words do not tell. ``words`` is what it says besides links."""

    kind: Kind | None
    links: tuple[str, ...]
    words: str


def intent_of(text: str, files: Sequence[str] = ()) -> Intent:
    """The source that a lesson's text and the names of its files mean."""
    links = tuple(dict.fromkeys(_trimmed(found) for found in _LINK.findall(text)))
    words = " ".join(_LINK.sub(" ", text).split())
    if files:
        return Intent("document", links, words)
    if is_tool(text):
        return Intent("tool", links, words)
    if links:
        return Intent("document" if _reads_links(text) else "instruction", links, words)
    if only_points(text) and re.search(r"\w", text):
        return Intent("document", (), words)  # which is missing
    asked = _POLITE.sub("", text).strip()
    if not _REMEMBER.match(asked) and (_WEB.match(asked) or _QUESTION.match(asked)):
        return Intent("web", (), words)
    return Intent("instruction" if _states(asked) else None, (), words)


def is_tool(text: str) -> bool:
    """Whether a text describes a tool that the model is to call: by a schema, or by saying what can be done now and what it needs."""
    if _TOOL_DATA.search(text):
        return True
    asked = _POLITE.sub("", text).strip()
    return bool(_TOOL_NAMED.match(asked) or (_TOOL_ABLE.match(asked) and _TOOL_TAKES.search(asked)))


def topic_of(text: str) -> str:
    """What a web lesson is about, without the words that order the search."""
    topic = _POLITE.sub("", " ".join(text.split())).strip(" .!")
    topic = re.sub(r"\b(?:on|in|from|over|off) the (?:web|internet|net)\b|\bonline\b", " ", topic, flags=re.I)
    return " ".join(_ORDER.sub("", " ".join(topic.split())).split()).rstrip("?") or text.strip()


_ORDER = re.compile(
    r"^(?:(?:search|look|browse|check|google|research|investigate|find|get|fetch|gather|collect|show|give|bring|keep|stay|catch|read|follow|track"
    r"|monitor|watch|update|inform|learn|see|do|make)\b(?: (?:me|yourself|us|the web|the internet|web|for|up|out|to date|informed|posted|track|an eye"
    r"|with|on|about|of|over|what is new with|what.s new with|what happened|what happens|happens|some|everything|anything|all|more|research|a search"
    r"|the|any))*\s+)?(?:(?:the )?(?:latest |newest |recent |current )?(?:news|headlines|articles|information|info|developments)"
    r" (?:on|about|of|for|in|with) )?(?:the )?",
    re.I,
)


def only_points(words: str) -> bool:
    """Whether words say no more than that something is to be read: "please read this"."""
    bare = _POLITE.sub("", words).strip()
    return not re.search(r"\w", bare) or bool(_ONLY_POINTS.fullmatch(bare))


_ONLY_POINTS = re.compile(
    rf"(?:(?:{_READ}|this|these|those|that|it|them|all|both|two|the|of|in|from|and|at|attached|here|is|are|what|what.s|says?|contents?"
    rf"|everything|there|for me|page|article|link"
    r"|site|website|post|paper|pdf|docs?|documents?|files?|text|notes?|minutes|report|by heart|carefully|please|bitte|seite|cette"
    r"|esta|p[aá]gina|keep|mind|me|you|to|i|want|too|also|as well|then)[\s,.:;!?]*)+",
    re.I,
)


def _trimmed(link: str) -> str:
    link = link.strip("<>").rstrip(".,;:!?'\"»”")
    if link.endswith(")") and "(" not in link:
        link = link[:-1]
    return link if link.lower().startswith("http") else f"https://{link}"


def _reads_links(text: str) -> bool:
    """Whether what the links lead to is to be read; else the text only says where something is."""
    before, after = text[: _first(text)].strip(" <("), _LINK.sub(" ", text[_first(text) :]).strip(" ,.;)>")
    asked = _POLITE.sub("", before).strip()
    if not re.search(r"\w", before):
        return not _STATES.search(after) or bool(_READS.match(_POLITE.sub("", after).strip()))
    if _READS.match(asked) or _POINTS.search(before) or before.endswith((".", "!", "?")):
        return True  # behind a whole sentence, the link stands for itself
    return not _STATES_LINK.search(before) and not _states_without_colon(before)


def _first(text: str) -> int:
    found = _LINK.search(text)
    return found.start() if found else len(text)


def _states_without_colon(before: str) -> bool:
    """ "Our price list:" names what follows, "Our price list is at" states where it is."""
    return bool(re.search(r"\b(?:is|are|was|were|can|lives?|has|have)\b", before)) and not before.rstrip().endswith(":")


def _states(text: str) -> bool:
    """Whether something is stated, or ordered of the bot itself: a bare topic is neither."""
    words = re.findall(r"[\w'’-]+", text)
    if len(words) >= 2 and re.fullmatch(r"[A-Z].*[.!]\W?", text, re.S):  # a sentence, with all that belongs to it
        return True
    if _STATES.search(text) or _REMEMBER.match(text) or re.match(r"(?:when|whenever|if|whoever|wherever)\b[^?]*$", text, re.I):
        return True
    return len(words) >= 3 and any(_is_verb(word, at) for at, word in enumerate(words))


def _is_verb(word: str, at: int) -> bool:
    """Whether a word looks like the verb of a sentence: an order at its beginning, or -s, -ed behind a subject."""
    if at == 0:
        return word.lower() in _ORDERS
    return bool(re.fullmatch(r"[a-z]{3,}(?:[^s\W]s|ed)", word)) and word not in _NOUNS


_ORDERS = frozenset([
    "always", "never", "use", "call", "keep", "stick", "answer", "speak", "write", "say", "tell", "talk", "be",
    "follow", "avoid", "stop", "start", "put", "take", "give", "send", "make", "turn", "water", "feed", "clean", "lock",
    "close", "open", "look", "find", "add", "treat", "address", "greet", "sign", "end", "begin", "pass", "bring",
    "leave", "let", "stay", "wait", "ask",
])  # fmt: skip
_NOUNS = frozenset([
    "news", "cars", "reefs", "bikes", "prices", "results", "batteries", "recipes", "trees", "scores", "rules", "tips",
    "boots", "people", "articles", "facts", "studies", "sports", "elections",
])  # fmt: skip
