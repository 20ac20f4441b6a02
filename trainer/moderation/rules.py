"""Phrases that no data set here teaches: instructions for self-harm or weapons, and sexual texts about minors."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

_METHOD = (
    r"(?:how (?:to|do i|can i|could i|should i|would i|one (?:can|could))|ways? (?:to|of)|instructions (?:to|for|on)"
    r"|step[- ]by[- ]step|guide (?:to|for)|recipe for|best method)"
)
_MINOR = (
    r"(?:child(?:ren)?|kids?|minors?|toddlers?|bab(?:y|ies)|infants?|under-?age|pre-?teens?|schoolgirls?|schoolboys?"
    r"|little (?:girls?|boys?)|(?:[1-9]|1[0-7]|three|four|five|six|seven|eight|nine|ten|eleven|twelve|thirteen|fourteen|fifteen"
    r"|sixteen)[- ]year[- ]olds?)"
)
_SEXUAL = (
    r"(?:sexual (?:story|scene|content|fantas\w+|acts?|pictures?|photos?|images?)|sex (?:scene|story|with)|porn\w*|erotic\w*|nudes?"
    r"|naked (?:pictures?|photos?|images?)|masturbat\w+)"
)
_WEAPON = (
    r"(?:pipe bombs?|nail bombs?|bombs?|explosive device|molotov cocktails?|nerve (?:gas|agents?)|sarin|vx gas|mustard gas|ricin|anthrax"
    r"|chemical weapons?|biological weapons?|dirty bombs?|napalm|explosives|silencers?|ghost guns?)\b"
    r"(?! (?:shelter|disposal|threat|calorimeter|recipe|cake))"
)
_MAKE = r"(?:build|make|making|building|assemble|assembling|cook|synthesi[sz]e|produce|construct|brew|prepare|plant|detonate)"
_HARM = r"(?:kill(?:ing)?|hang(?:ing)?|drown(?:ing)?|poison(?:ing)?|suffocat(?:e|ing)|cut(?:ting)?|starv(?:e|ing))"
_SELF = r"(?:myself|yourself|oneself|themselves)\b(?! (?:some|a|an|out|up on|off)\b)"
_SUICIDE = r"(?:commit suicide|overdose on|a painless (?:suicide|death)|end my (?:own )?life)"

PHRASES = ("self-harm/instructions", "sexual/minors", "illicit/violent")
"""Categories of the rules, in the order of the columns of ``apply_rules``."""

_RULES = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        rf"\b{_METHOD}\b[^.!?]{{0,30}}\b(?:{_HARM} {_SELF}|{_SUICIDE}\b)",
        rf"\b{_SEXUAL}\b[^.!?]{{0,40}}\b(?:about|of|with|between|involving|featuring|showing|for)\b[^.!?]{{0,25}}\b{_MINOR}\b"
        rf"|\b{_MINOR}\b[^.!?]{{0,15}}\b(?:porn\w*|nudes|erotica)\b",
        rf"\b{_METHOD}\b[^.!?]{{0,30}}\b{_MAKE}\b (?:a |an |the |some |your |my |own |home-?made )*{_WEAPON}"
        rf"|\b(?:recipe|instructions|blueprint|plans?) for (?:making |building )?(?:a |an |some )?(?:home-?made )?{_WEAPON}",
    )
)
_NEVER = re.compile(r"\b(?:prevent\w*|against|illegal|report|help(?:line)?|hotline|treaty|bath bombs?|glitter)\b", re.IGNORECASE)


def apply_rules(texts: Sequence[str]) -> NDArray[np.float32]:
    """1 where a phrase of a category is in a text, one row per text; texts about prevention or reporting do not count."""
    found = np.zeros((len(texts), len(PHRASES)), dtype=np.float32)
    for row, text in enumerate(texts):
        for column, rule in enumerate(_RULES):
            if rule.search(text) and not _NEVER.search(text):
                found[row, column] = 1.0
    return found
