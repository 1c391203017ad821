"""Passages that state facts about a few territories, and questions about them; the way back from a question too.

A passage is two to four territories, six to nine sentences, one fact a sentence; other territories' facts of the kind
that is asked for stand in it as distractors. Some questions have no answer in their passage (as in SQuAD 2): they ask
for a territory that is not there, or for a kind of fact that is there for another one only. Knows neither files nor
models.

    example = draw_examples(1, seed=0)[0]
    example.context[example.start :].startswith(example.answer)
    read_question("What is the currency of Japan?")  # ("JP", "currency")
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from hashlib import blake2b
from typing import Literal

import numpy as np

from .facts import KINDS, Fact, list_facts, place_name, territory_names
from .wordings import FOLLOWING, QUESTIONS, SENTENCES

Group = Literal["train", "validation", "heldout", "unseen"]
"""unseen: held-out passages about territories whose names stand in no passage or question of the other groups."""
GROUPS: tuple[Group, ...] = ("train", "validation", "heldout", "unseen")
HELDOUT, VALIDATION, UNSEEN = 0.2, 0.1, 0.2  # shares: of facts, of the others, of territories
UNANSWERABLE = 0.2
PLACES, PLACES_SHARES = (2, 3, 4), (0.35, 0.4, 0.25)  # territories of a passage
FEWEST, MOST = 6, 9  # sentences
WORDS = 60, 130
TRIES = 50  # until a passage has so many words
INTERLEAVED = 0.2  # share of passages that do not treat one territory after the other
FOLLOWED = 0.4  # chance that a sentence says "it" or "there" where it can
SHARED = 0.75  # chance that a territory's facts are of the kinds that the others' are of


@dataclass(frozen=True)
class Example:
    """A question about a passage. An answer of "" at -1: the passage does not say it."""

    title: str
    context: str
    question: str
    answer: str
    start: int  # character of the context
    kind: str  # that is asked for
    territory: str  # that is asked for


@dataclass(frozen=True)
class Pool:
    """The facts that may stand in the passages of a group, and those among them that its questions ask for."""

    told: Mapping[str, tuple[Fact, ...]]  # by territory
    asked: Mapping[str, tuple[Fact, ...]]  # by kind


def draw_examples(count: int, seed: int, group: Group = "train", unanswerable: float = UNANSWERABLE) -> list[Example]:
    """Example i follows from the seed, the group and i alone.

    Which facts a group asks for, and which names it may use, does not depend on the seed: a fact that held-out
    questions ask for stands in no passage of train or validation.
    """
    pool, stream = _pool(group), GROUPS.index(group)
    key = np.array([seed % 2**64, stream], np.uint64)
    draws = (
        np.random.Generator(np.random.Philox(key=key, counter=np.array([0, index, 0, 0], np.uint64)))
        for index in range(count)
    )
    return [_draw_example(pool, draw, unanswerable) for draw in draws]


def group_of(fact: Fact) -> Group:
    """The group whose questions ask for this fact."""
    if fact.territory in unseen_territories():
        return "unseen"
    share = _share_of(f"{fact.territory} {fact.kind}")
    return "heldout" if share < HELDOUT else "validation" if share < HELDOUT + (1 - HELDOUT) * VALIDATION else "train"


@cache
def unseen_territories() -> frozenset[str]:
    """A fifth of the codes; never a name that also stands in another territory's facts (New Zealand Dollar)."""
    chosen = set()
    for code, name in territory_names().items():
        word = re.compile(rf"(?<!\w){re.escape(name)}(?!\w)")
        others = (text for fact in list_facts() if fact.territory != code for text in (fact.name, fact.value))
        if _share_of(code) < UNSEEN and not any(word.search(text) for text in others):
            chosen.add(code)
    return frozenset(chosen)


def _share_of(text: str) -> float:
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "little") / 2**64


@cache
def _pool(group: Group) -> Pool:
    visible = {"train": ("train",), "validation": ("train", "validation"), "heldout": GROUPS[:3], "unseen": ("unseen",)}
    told = [fact for fact in list_facts() if group_of(fact) in visible[group]]
    asked = [fact for fact in told if group_of(fact) == group]
    return Pool(
        {code: tuple(f for f in told if f.territory == code) for code in dict.fromkeys(f.territory for f in told)},
        {kind: tuple(f for f in asked if f.kind == kind) for kind in KINDS},
    )


def _draw_example(pool: Pool, draw: np.random.Generator, unanswerable: float) -> Example:
    kind = str(draw.choice(list(KINDS)))
    asked = pool.asked[kind][int(draw.integers(len(pool.asked[kind])))]
    missing = str(draw.choice(["territory", "kind"])) if draw.random() < unanswerable else ""
    for _ in range(TRIES):
        blocks = _choose_facts(pool, asked, missing, draw)
        context, starts = _write_passage(blocks, draw)
        if WORDS[0] <= len(context.split()) <= WORDS[1]:
            break
    names = [facts[0].name for facts in blocks]
    title = f"{', '.join(names[:-1])} and {names[-1]}"
    question = ask(asked, int(draw.integers(len(QUESTIONS[kind]))))
    answer, start = ("", -1) if missing else (asked.value, starts[asked])
    assert start < 0 or context.startswith(answer, start)
    return Example(title, context, question, answer, start, kind, asked.territory)


def _choose_facts(pool: Pool, asked: Fact, missing: str, draw: np.random.Generator) -> list[list[Fact]]:
    """The facts of each territory of a passage; at least one other has another fact of the kind that is asked for."""
    places, sentences = int(draw.choice(PLACES, p=PLACES_SHARES)), int(draw.integers(FEWEST, MOST + 1))
    rivals = [
        code
        for code, facts in pool.told.items()
        if code != asked.territory and any(f.kind == asked.kind and f.value != asked.value for f in facts)
    ]
    codes = [] if missing == "territory" else [asked.territory]
    codes += [str(code) for code in draw.choice(rivals, places - len(codes), replace=False)]
    common = [asked.kind, *(str(kind) for kind in draw.permutation([kind for kind in KINDS if kind != asked.kind]))]
    blocks = []
    for number, code in enumerate(codes):
        facts = {fact.kind: fact for fact in pool.told[code]}
        own = draw.random() > SHARED
        rest = [str(kind) for kind in draw.permutation(common[1:])] if own else common[1:]
        wanted = [kind for kind in (asked.kind, *rest) if kind in facts]
        if missing == "kind" and code == asked.territory:
            wanted = wanted[1:]
        quota = sentences // places + (number < sentences % places)
        blocks.append([facts[kind] for kind in wanted[:quota]])
    return [blocks[place] for place in draw.permutation(len(blocks)) if blocks[place]]


def _write_passage(blocks: Sequence[Sequence[Fact]], draw: np.random.Generator) -> tuple[str, dict[Fact, int]]:
    """The text, and where the value of each fact starts in it."""
    facts = [block[place] for block in blocks for place in draw.permutation(len(block))]
    if draw.random() < INTERLEAVED:
        facts = [facts[place] for place in draw.permutation(len(facts))]
    text, starts, named = "", dict[Fact, int](), ""
    for fact in facts:
        follows = fact.territory == named and draw.random() < FOLLOWED
        wordings = FOLLOWING[fact.kind] if follows else SENTENCES[fact.kind]
        before, after = (
            _fill(half, fact.name) for half in wordings[int(draw.integers(len(wordings)))].split("{value}")
        )
        text += " " if text else ""
        starts[fact] = len(text) + len(before)
        text += before[:1].upper() + before[1:] + fact.value + after
        named = "" if follows else fact.territory
    return text, starts


def ask(fact: Fact, wording: int) -> str:
    """The question for a fact, in one of the wordings of its kind."""
    asked = _fill(QUESTIONS[fact.kind][wording], fact.name)
    return asked[:1].upper() + asked[1:]


def _fill(wording: str, name: str) -> str:
    place = place_name(name)
    return wording.format(the=place, own=f"{place}'" if place.endswith("s") else f"{place}'s")


def read_question(question: str) -> tuple[str, str] | None:
    """The code of the territory and the kind of fact that an English question asks for.

    None where it is not clear: no name or two, no kind or two, or a capitalised word that belongs to neither.
    """
    pattern, codes = _finder()
    found = pattern.findall(question)
    rest = pattern.sub(" ", question)
    strange = any(word[0].isupper() and word not in _CAPITALISED for word in re.findall(r"\w+", rest))
    if len(found) != 1 or strange or _DANGLING.search(question):
        return None
    kind = _read_kind(set(re.findall(r"[^\W\d_]+", rest.lower())))
    return None if kind is None else (codes[found[0].lower()], kind)


def is_right(question: str, territory: str, kind: str) -> bool:
    """Whether the question clearly asks for that kind of fact about that territory."""
    return read_question(question) == (territory, kind)


@cache
def _finder() -> tuple[re.Pattern[str], dict[str, str]]:
    """A pattern that finds names of territories, longest first, and their codes."""
    codes = {name.lower(): code for code, name in territory_names().items()}
    ordered = sorted(codes, key=len, reverse=True)
    return re.compile(rf"(?<![\w-])(?:{'|'.join(map(re.escape, ordered))})(?![\w-])", re.IGNORECASE), codes


_CAPITALISED = {wording.split()[0].strip("{}") for wordings in QUESTIONS.values() for wording in wordings} | {"ISO"}
# "the of": a word has been lost, and it may be the one that says what is asked for
_DANGLING = re.compile(
    r"\b(?:(?:the|its|which) (?:of|for|in|is|are|do|does|did|have|has|was|came)|what (?:of|do|does|did|in))\b",
    re.IGNORECASE,
)
_MONEY = {"currency", "currencies", "money", "tender"}
_CODE = {"code", "codes", "abbreviated", "abbreviation", "iso"}
_PAST = {"former", "formerly", "before", "previous", "previously", "replaced", "earlier"}
_SINCE = {"when", "since", "year"}
_TONGUE = {"language", "languages", "tongue", "speak", "speaks", "spoken", "speakers"}
_OFFICIAL = {"official", "officially"}
_SHARE = {"share", "percentage", "percent", "proportion"}
_MAIN = {"main", "most", "widely", "common", "largest"}
# these ask for more than what money or which language it is; without a word that says for what, it is not clear
_MORE_OF_MONEY = {
    "was",
    "were",
    "did",
    "came",
    "give",
    "replaced",
    "introduced",
    "adopt",
    "got",
    "date",
    "stands",
    "known",
    "banks",
    "how",
}
_MORE_OF_TONGUE = {"population", "how", "large", "written"}
_TOPICS = {
    "script": {"script", "scripts"},
    "first weekday": {"day", "days", "week", "weeks", "weekday"},
    "time zone": {"time", "zone", "zones", "clocks"},
}


def _read_kind(words: set[str]) -> str | None:
    topics = [kind for kind, keys in _TOPICS.items() if words & keys]
    money, tongue = bool(words & _MONEY), bool(words & _TONGUE)
    if len(topics) == 1 and not money:
        return _read_topic(topics[0], words)
    if topics or money == (tongue or bool(words & (_OFFICIAL | _SHARE | {"second"}))):
        return None
    return _read_money(words) if money else _read_tongue(words)


def _read_topic(kind: str, words: set[str]) -> str | None:
    """A question for the script may name the main language; one for a day must say that it comes first."""
    if words & (_SHARE | _OFFICIAL | _CODE | _PAST | _SINCE | {"second"}):
        return None
    if kind == "script":
        return kind
    first = bool(words & {"first", "begin", "begins", "start", "starts", "opens"})
    return kind if not words & _TONGUE and first == (kind == "first weekday") else None


def _read_money(words: set[str]) -> str | None:
    marks = [
        kind
        for kind, keys in (("currency code", _CODE), ("former currency", _PAST), ("currency year", _SINCE))
        if words & keys
    ]
    if len(marks) > 1:
        return None
    return marks[0] if marks else None if words & _MORE_OF_MONEY else "currency"


def _read_tongue(words: set[str]) -> str | None:
    official, second, share = bool(words & _OFFICIAL), "second" in words, bool(words & _SHARE)
    if words & (_PAST | _SINCE | _CODE):
        return None
    if official:
        return None if second or share or words & _MAIN else "official language"
    if (not second and not words & _MAIN) or (not share and words & _MORE_OF_TONGUE):
        return None
    return f"{'second' if second else 'main'} {'share' if share else 'language'}"
