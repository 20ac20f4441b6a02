"""Which language a text is in, told by its script and by the commonest little words; exact enough for a receipt."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable

SAMPLE = 6_000  # characters
_SCRIPTS = {"CYRILLIC": "Russian", "GREEK": "Greek", "HEBREW": "Hebrew", "ARABIC": "Arabic", "HANGUL": "Korean", "HIRAGANA": "Japanese",
            "KATAKANA": "Japanese", "CJK": "Chinese", "DEVANAGARI": "Hindi", "THAI": "Thai"}  # fmt: skip
_WORDS = {
    "English": "the of and to in is that it for was on are as with his they at be this have from",
    "German": "der die und das ist nicht ein eine zu den mit von auf für sich des dem auch als wird",
    "French": "le la les des et est une du que dans qui pour pas sur avec au ce sont il elle",
    "Spanish": "el la los las de que y en un una es por con para del se no su al lo",
    "Italian": "il di che è la un una per non con sono del della gli si le dei al da anche",
    "Portuguese": "o de que e do da em um uma para com não os as no na por mais dos ao",
    "Dutch": "de het een en van is dat niet op te zijn voor met die aan er maar om ook als",
    "Swedish": "och att det som en på är av för med till den har inte ett om var jag men så",
    "Danish": "og det at en er til på af for med den der ikke har jeg som et de vi var",
    "Polish": "i w nie na się jest że do z to o jak po co tak za od są ale przez",
    "Turkish": "bir ve bu için ile de da çok olan gibi daha ne olarak en kadar sonra ben var",
}
_BY_WORD: dict[str, list[str]] = {}
for _language, _listed in _WORDS.items():
    for _word in _listed.split():
        _BY_WORD.setdefault(_word, []).append(_language)


def language_of(texts: Iterable[str]) -> str | None:
    """The language's English name; None where the text is too short or mixed to tell."""
    sample = " ".join(texts)[:SAMPLE]
    letters = [character for character in sample if character.isalpha()]
    if len(letters) < 60:
        return None
    scripts = Counter(_script(character) for character in letters[:1500])
    script, often = scripts.most_common(1)[0]
    if script in _SCRIPTS:
        return "Japanese" if scripts["HIRAGANA"] + scripts["KATAKANA"] > often / 10 and script == "CJK" else _SCRIPTS[script]
    votes = Counter(language for word in re.findall(r"\w+", sample.lower()) for language in _BY_WORD.get(word, ()))
    first, *others = [*votes.most_common(2), ("", 0)]
    return first[0] if first[1] >= 4 and first[1] > 1.2 * others[0][1] else None


def _script(letter: str) -> str:
    return unicodedata.name(letter, "").partition(" ")[0]
