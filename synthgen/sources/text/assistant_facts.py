"""Whether what an assistant says in a dialogue is so: read from the text alone, and held against CLDR and Babel.

Works on drawn and on generated dialogues: it looks for names, values and the words that tell kinds of facts, and keeps
in mind what was named last. In doubt it says no: a name that it does not know, or an answer to another question than
the one asked, counts as wrong. Knows neither how dialogues are drawn nor where rows come from.

    check_facts(("user", "assistant"), ("What is the currency of Japan?", "The Japanese Yen."))    # True
    check_facts(("user", "assistant"), ("What is the currency of Japan?", "The Euro."))            # False
    check_facts(("user", "assistant"), ("Hello!", "Hello!"))                                       # None
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, lru_cache

from .assistant_wordings import CLAIMS, CLOSINGS, FULL_SHARES, KINDS, NAMES, OTHER_TOPICS, REPLIES, SHORT_CLAIMS
from .facts import Fact, list_facts
from .phrases import is_translation
from .readings import name_of

PHRASES = ("number", "unit", "price", "date long")  # families of phrases that an assistant writes
TONGUES = ("cs", "da", "de", "es", "fi", "fr", "it", "nl", "pl", "pt", "sv", "tr")
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
LANGUAGES = ("main language", "official language")
ASKED = {  # words by which a question is known, in the order in which they are looked for
    "main share": re.compile(r"\bshare|\bper ?cent|\bproportion", re.I),
    "official language": re.compile(r"\bofficial", re.I),
    "main language": re.compile(r"\blanguage|\bspeaks?\b|\bspoken\b", re.I),
    "currency": re.compile(r"\bcurrency|\bmoney\b|\bpays?\b", re.I),
    "first weekday": re.compile(r"\bweek|\bfirst day", re.I),
}
MAIN = re.compile(r"\bmost|\bmain\b|\bwidely\b|\bcommon\b", re.I)
NO = re.compile(r"no\b|not\b|wrong\b|i am afraid not|i am sorry, but|unfortunately|that is (?:not|wrong)", re.I)
YES = re.compile(r"yes\b|right\b|correct\b|indeed\b|that is (?:right|correct)|you are (?:quite )?right", re.I)
DECLINE = re.compile(r"not know|cannot|can not|no information|not tell", re.I)
QUOTED = re.compile(r'"([^"]*)"')
PERCENT = re.compile(r"\d+(?:[.,]\d+)*\s?%")
WORD = re.compile(r"(?<!\w)\w+")


@dataclass(frozen=True)
class Mention:
    start: int
    end: int
    sort: str  # "place", or a slot that a value fills: "currency", "language", "percent", "day"
    text: str


@dataclass(frozen=True)
class Reading:
    """What one turn names."""

    mentions: tuple[Mention, ...]
    quoted: str | None
    asked: str  # the kind that its words tell, or ""
    strange: bool  # whether it has a capitalised word that is neither a name nor a word of an assistant
    unknown: bool  # whether it has any such word

    def texts(self, sort: str) -> list[str]:
        return [mention.text for mention in self.mentions if mention.sort == sort]


@dataclass(frozen=True)
class State:
    """What has been named so far, and what the last user turn wants."""

    place: str = ""
    kind: str = ""  # of KINDS, or "phrase"
    phrase: str = ""
    tongue: str = ""
    wants: bool = False  # an answer about `place` and `kind`
    claims: tuple[tuple[str, str], ...] = field(default=())  # (kind, value) that the user wants to have confirmed


def check_facts(roles: Sequence[str], contents: Sequence[str]) -> bool | None:
    """Whether all that the assistant asserts is so; None where it asserts nothing that can be checked."""
    state = State()
    found: list[bool] = []
    for role, content in zip(roles, contents, strict=True):
        if role == "user":
            state = hear(state, read_turn(content))
        elif role == "assistant":
            reading = read_turn(content)
            found += judge_turn(state, reading, content)
            place = reading.texts("place")[-1:] or [state.place]
            state = replace(state, place=place[0], wants=False, claims=())
    return all(found) if found else None


def hear(state: State, reading: Reading) -> State:
    """The state after a user turn."""
    tongues, places = reading.texts("language"), reading.texts("place")
    if reading.quoted is not None:
        return replace(
            state, kind="phrase", phrase=reading.quoted, tongue=(tongues or [state.tongue])[-1], wants=True, claims=()
        )
    if state.kind == "phrase" and tongues and not reading.asked:
        return replace(state, tongue=tongues[-1], wants=True, claims=())
    kind = reading.asked or state.kind
    claims = tuple(
        (kind_of(mention.sort, kind, reading.asked), mention.text)
        for mention in reading.mentions
        if mention.sort != "place"
    )
    kind = claims[-1][0] if claims else kind
    wants = bool(reading.asked or places or claims)
    return replace(state, place=(places or [state.place])[-1], kind=kind, wants=wants, claims=claims)


def judge_turn(state: State, reading: Reading, content: str) -> list[bool]:
    """Whether each thing that the assistant's turn asserts is so; empty where it asserts nothing."""
    if reading.quoted is not None:
        named = reading.texts("language")
        right = state.wants and state.kind == "phrase" and all(name == state.tongue for name in named)
        return [right and is_written(state.phrase, reading.quoted, state.tongue)]
    answers = _find_answers(state, reading, content)
    verdicts = [is_fact(place, kind, value) for place, kind, value in answers]
    if state.wants and answers:
        verdicts.append(any(kind == state.kind or not state.kind for _, kind, _ in answers))
        verdicts.append(all(place == state.place or not state.place for place, _, _ in answers))
    polarity = False if NO.match(content) else True if YES.match(content) else None
    confirms = bool(state.claims) and polarity is not None
    if confirms:
        verdicts.append(polarity == all(is_fact(state.place, kind, value) for kind, value in state.claims))
    if state.wants and not answers and not DECLINE.search(content):
        # it answers without a value that could be read
        says = bool(reading.mentions) or reading.unknown or bool(reading.asked)
        verdicts += [False] if says else []
    return [*verdicts, False] if verdicts and reading.strange else verdicts


def _find_answers(state: State, reading: Reading, content: str) -> list[tuple[str, str, str]]:
    """(place, kind, value) of each value that the turn names."""
    places = [mention for mention in reading.mentions if mention.sort == "place"]
    found = []
    for mention in reading.mentions:
        if mention.sort == "place":
            continue
        before = [place.text for place in places if place.end <= mention.start]
        after = [place.text for place in places if place.start >= mention.end]
        place = (before[-1:] or after[:1] or [state.place])[0]
        said = "official language" if ASKED["official language"].search(content) else ""
        said = said or ("main language" if MAIN.search(content) or reading.texts("percent") else "")
        found.append((place, kind_of(mention.sort, state.kind, said), mention.text))
    return found


def kind_of(sort: str, wanted: str, said: str) -> str:
    """The kind of fact that a value states: of a language by what is said, else by what is asked."""
    if sort != "language":
        return next(kind for kind, slot in KINDS.items() if slot == sort)
    return next((kind for kind in (said, wanted) if kind in LANGUAGES), LANGUAGES[0])


def is_fact(place: str, kind: str, value: str) -> bool:
    fact = known_facts()[kind].get(place)
    return fact is not None and fact.value == value


@lru_cache(maxsize=4096)
def is_written(phrase: str, written: str, tongue: str) -> bool:
    """Whether Babel writes the English `phrase` so in the language that is called `tongue`."""
    code = tongues().get(tongue)
    return code is not None and any(is_translation(family, phrase, written, "en", code) for family in PHRASES)


def read_turn(content: str) -> Reading:
    quoted = QUOTED.search(content)
    plain = QUOTED.sub(lambda match: '"' + " " * (len(match[0]) - 2) + '"', content)
    mentions = [Mention(*match.span(), "percent", match[0].replace(" ", "")) for match in PERCENT.finditer(plain)]
    end = 0
    others: list[str] = []
    for word in WORD.finditer(plain):
        if word.start() < end:
            continue
        named = _name_at(plain, word.start(), word[0])
        if named is not None:
            end = word.start() + len(named[0])
            mentions.append(Mention(word.start(), end, named[1], named[0]))
        elif not word[0].isdecimal() and word[0].casefold() not in usual_words():
            others.append(word[0])
    asked = next((kind for kind, words in ASKED.items() if words.search(plain)), "")
    strange = any(word[0].isupper() for word in others)
    ordered = tuple(sorted(mentions, key=lambda mention: mention.start))
    return Reading(ordered, quoted[1] if quoted else None, asked, strange, bool(others))


def _name_at(text: str, start: int, word: str) -> tuple[str, str] | None:
    """The longest known name that begins there, and its sort."""
    for name, sort in names_by_word().get(word, ()):
        if text.startswith(name, start) and not text[start + len(name) : start + len(name) + 1].isalnum():
            return name, sort
    return None


@cache
def known_facts() -> Mapping[str, Mapping[str, Fact]]:
    """Kind -> name of the territory -> fact, of the kinds that dialogues are about.

    A value that is also a territory's name (the language Nauru) is left out: no text could tell them apart.
    """
    names = {fact.name for fact in list_facts()}
    found: dict[str, dict[str, Fact]] = {kind: {} for kind in KINDS}
    for fact in list_facts():
        if fact.kind in found and fact.value not in names:
            found[fact.kind][fact.name] = fact
    return found


@cache
def tongues() -> Mapping[str, str]:
    """English name -> code of the languages that phrases are written in."""
    return {name_of("language", code, "en"): code for code in TONGUES}


@cache
def usual_words() -> frozenset[str]:
    """The words, case-folded, that dialogues are written with beside names and values."""
    tables = (*NAMES.values(), *CLAIMS.values(), *SHORT_CLAIMS.values(), *REPLIES.values(), *CLOSINGS.values())
    said = (OTHER_TOPICS, FULL_SHARES, *tables)
    return frozenset(word.casefold() for texts in said for text in texts for word in WORD.findall(text)) - {"v", "np"}


@cache
def names_by_word() -> Mapping[str, tuple[tuple[str, str], ...]]:
    """First word -> the names that begin with it and what they name, the longest first."""
    sorts = {fact.value: KINDS[kind] for kind in KINDS for fact in known_facts()[kind].values() if kind != "main share"}
    sorts |= dict.fromkeys(tongues(), "language") | dict.fromkeys(DAYS, "day")
    sorts |= {name: "place" for facts in known_facts().values() for name in facts}
    found: dict[str, list[tuple[str, str]]] = {}
    for name in sorted(sorts, key=lambda name: (-len(name), name)):
        first = WORD.match(name)
        assert first is not None, f"{name} begins with no word"
        found.setdefault(first[0], []).append((name, sorts[name]))
    return {word: tuple(names) for word, names in found.items()}
