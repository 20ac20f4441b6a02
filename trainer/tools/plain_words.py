"""Reads a tool from plain words: "You can now look up the weather: it needs the city and, optionally, the day (today or tomorrow)"."""

from __future__ import annotations

import re

Given = tuple[str, str, bool, tuple[str, ...]]

_ABLE = re.compile(
    r"(?:from now on,? )?you (?:can|may|are able to|are now able to)(?: now| also)*(?: use (?:the |a |an )?(?:tool|function|api)\b(?: called| named)?"
    r"(?: [`\"'“]?(?P<name>[\w.-]+)[`\"'”]?)?(?: to| for|[:,]))? ",
    re.I,
)
_NEW = re.compile(
    r"(?:here is|this is|there is|i give you|take|learn)? ?(?:a |an |the |your )?(?:new )?(?:tool|function)\b(?: called| named)?:? ", re.I
)
_NAMED = re.compile(
    r"(?:\b(?:call it|it is called|is called|its name is|named|called|the tool|the function|use)\s+|Action:\s*)"
    r"[`\"'“]?([A-Za-z]\w*_\w+|[a-z]+[A-Z]\w*)[`\"'”]?|`([A-Za-z][\w.-]*)`"
)
_TAKES = re.compile(
    r"(?:\b(?:it|you|the tool|this)\s+)?\b(?:needs?|takes?|wants?|requires?|give(?: it)?|with the arguments?|arguments?(?: are)?|parameters?(?: are)?"
    r"|inputs?(?: are)?|tell it|ask for|here is how)\b\s*:?\s*",
    re.I,
)
_OPTIONAL = re.compile(r"\b(?:and )?(?:optional(?:ly)?|if (?:given|you like|known|wanted)|may also (?:take|have)|perhaps|maybe)\b[,:]?", re.I)
_ARTICLE = re.compile(r"^(?:(?:and|or|also|then|in addition|plus)\b,?\s*)*(?:(?:the|a|an|its|their|your|which|what)\s+)?", re.I)


def described(text: str) -> list[tuple[str, str, list[Given]]]:
    """At most one tool: its name, what it does, and for each argument its words, description, whether it is required, and its values."""
    text = re.sub(r"^\s*\[learn\]\s*", "", text.strip(), flags=re.I)
    opening = _ABLE.match(text) or _NEW.match(text)
    if opening is None:
        return []
    rest = text[opening.end() :].strip()
    name = next((each for each in (opening.groupdict().get("name"), *_name_in(text)) if each), "")
    first, _, remainder = rest.partition(" ")
    if _looks_named(first.strip(" `\"':,")) and len(remainder.split()) > 1:
        name, rest = name or first.strip(" `\"':,"), re.sub(r"^(\w+[^s\W])s\b", r"\1", remainder.strip())
    does, _, after = _divided(rest)
    if does == name or (re.fullmatch(r"[\w.-]+", does) and _looks_named(does)):
        name, (does, _, after) = name or does, _divided(after)
    does = re.sub(r"^(?:to |that (?:can )?)", "", _NAMED.sub("", does).strip(" ,.:;\"'`“”"), flags=re.I)
    does = re.sub(r"\s+(?:with|by calling|using|through)$", "", does).strip()
    arguments = _arguments(after)
    if len(re.findall(r"[A-Za-z]{2,}", does)) < (1 if arguments else 2):  # "You can now." is no tool, "You can now sing: it needs the song" is
        return []
    return [(name or _slug(does), does[:1].lower() + does[1:], arguments)]


def _name_in(text: str) -> list[str]:
    return [first or second for first, second in _NAMED.findall(text)]


def _looks_named(word: str) -> bool:
    return "_" in word or bool(re.search(r"[a-z][A-Z]", word))


def _divided(text: str) -> tuple[str, str, str]:
    """What is done, and what follows: behind a colon, a full stop, or words that say what is needed."""
    found = re.search(r":\s|[.;](?:\s|$)|\n|,? (?=(?:it|you) (?:needs?|takes?|must|have to)\b)|, given |\bwith the arguments?\b", text)
    return (text, "", "") if found is None else (text[: found.start()], found.group(), text[found.end() :])


def _slug(does: str) -> str:
    words = [word for word in re.findall(r"[a-z0-9]+", does.lower()) if word not in ("the", "a", "an", "of", "for", "my", "your", "some", "any")]
    return "_".join(words[:4])


def _arguments(text: str) -> list[Given]:
    bullets = re.findall(r"^\s*[-*•]\s*[`\"]?([\w ]+?)[`\"]?\s*(\([^)]*\))?\s*(?:[:–-]\s*(.*))?$", text, re.M)
    if bullets:
        return [
            _argument(words, " ".join(filter(None, [brackets.strip("()"), about])), _is_optional(f"{brackets} {about}"))
            for words, brackets, about in bullets
        ]
    text = " ".join(_NAMED.sub(" ", text).split())
    text = re.sub(r"^(?:here is how|like this|how)\b[:,.]?\s*", "", text, flags=re.I)
    found: list[Given] = []
    optional = False
    for sentence in re.split(r"(?<=[\w)])[.;](?:\s|$)", text):
        takes = _TAKES.search(sentence)
        if takes is None and found:
            continue
        optional = optional and takes is None
        for piece in _pieces(sentence[takes.end() :] if takes else sentence):
            optional = optional or bool(_OPTIONAL.search(re.sub(r"\([^)]*\)", "", piece)))
            inner = re.search(r"\(([^)]*)\)", piece)
            about = inner.group(1) if inner else ""
            words = _ARTICLE.sub("", _OPTIONAL.sub("", re.sub(r"\([^)]*\)", "", piece)).strip(" ,.:"))
            words = _ARTICLE.sub("", words).strip()
            if re.search(r"\w", words) and len(words.split()) <= 5:
                found.append(_argument(words, _OPTIONAL.sub("", about).strip(" ,"), optional or _is_optional(about)))
    return found


def _pieces(text: str) -> list[str]:
    """Divided at commas and "and" outside brackets."""
    held = re.sub(r"\([^)]*\)", lambda found: found.group().replace(",", "\0").replace(" and ", " \1 "), text)
    return [piece.replace("\0", ",").replace("\1", "and") for piece in re.split(r",|\band\b", held) if piece.strip()]


def _is_optional(text: str) -> bool:
    return bool(_OPTIONAL.search(text))


def _argument(words: str, about: str, optional: bool) -> Given:
    about = about.strip(" ,.")
    choices = re.sub(r"^(?:one of|either|can be|is|values?)\b:?\s*", "", about, flags=re.I)
    values = tuple(each.strip(" \"'`") for each in re.split(r",\s*(?:or )?|\s+or\s+|\s*\|\s*|\s*/\s*", choices) if each.strip())
    closed = (
        len(values) > 1
        and all(len(each.split()) <= 3 for each in values)
        and not re.match(r"(?:e\.?g|for (?:instance|example)|such as|like)\b", about, re.I)
    )
    return words, about, not optional, values if closed else ()
