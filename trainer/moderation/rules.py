"""Phrases that no data set here teaches: instructions for self-harm or weapons, and sexual texts about minors."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

_METHOD = r"(?:how (?:to|do i|can i|could i|should i|would i|one (?:can|could))|ways? (?:to|of)|instructions (?:to|for|on)|step[- ]by[- ]step|guide (?:to|for)|recipe for|best method)"
_MINOR = (
    r"(?:child(?:ren)?|kids?|minors?|toddlers?|bab(?:y|ies)|infants?|under-?age|pre-?teens?|schoolgirls?|schoolboys?|little (?:girls?|boys?)"
    r"|(?:[1-9]|1[0-7]|(?:three|four|five|six|seven|eight|nine|ten|eleven|twelve|thirteen|fourteen|fifteen|sixteen))[- ]year[- ]olds?)"
)
_SEXUAL = r"(?:sexual (?:story|scene|content|fantas\w+|acts?|pictures?|photos?|images?)|sex (?:scene|story|with)|porn\w*|erotic\w*|nudes?|naked (?:pictures?|photos?|images?)|masturbat\w+)"
_WEAPON = (
    r"(?:pipe bombs?|nail bombs?|bombs?|explosive device|molotov cocktails?|nerve (?:gas|agents?)|sarin|vx gas|mustard gas|ricin|anthrax|"
    r"chemical weapons?|biological weapons?|dirty bombs?|napalm|explosives|silencers?|ghost guns?)"
)
_MAKE = r"(?:build|make|making|building|assemble|assembling|cook|synthesi[sz]e|produce|construct|brew|prepare|plant|detonate)"
_SELF = r"(?:myself|yourself|oneself|themselves)"

PHRASES = ("self-harm/instructions", "sexual/minors", "illicit/violent")
"""Categories of the rules, in the order of the columns of ``apply_rules``."""

_RULES = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        rf"\b{_METHOD}\b[^.!?]{{0,30}}\b(?:kill|hang|drown|poison|suffocate|cut(?!\s+{_SELF} (?:some|a)\b)|starve) {_SELF}\b(?! (?:out|up on))"
        rf"|\b{_METHOD}\b[^.!?]{{0,25}}\b(?:commit suicide|overdose on|a painless (?:suicide|death)|end my (?:own )?life)\b",
        rf"\b{_SEXUAL}\b[^.!?]{{0,40}}\b(?:about|of|with|between|involving|featuring|showing|for)\b[^.!?]{{0,25}}\b{_MINOR}\b"
        rf"|\b{_MINOR}\b[^.!?]{{0,15}}\b(?:porn\w*|nudes|erotica)\b",
        rf"\b{_METHOD}\b[^.!?]{{0,30}}\b{_MAKE}\b (?:a |an |the |some |your |my |own |home-?made )*{_WEAPON}\b(?! (?:shelter|disposal|threat|calorimeter|recipe|cake))",
    )
)
_NEVER = re.compile(r"\b(?:prevent|preventing|prevention|against|illegal|report|help(?:line)?|hotline|treaty|bath bombs?|glitter)\b", re.IGNORECASE)


def apply_rules(texts: Sequence[str]) -> NDArray[np.float32]:
    """1 where a phrase of a category is in a text, one row per text; texts about prevention or reporting do not count."""
    found = np.zeros((len(texts), len(PHRASES)), dtype=np.float32)
    for row, text in enumerate(texts):
        for column, rule in enumerate(_RULES):
            if rule.search(text) and not _NEVER.search(text):
                found[row, column] = 1.0
    return found
