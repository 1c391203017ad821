"""What CLDR knows of about 250 territories, as short facts: money, languages and their shares, script, week, time.

A fact is the one right answer to "what is the <kind> of <territory>?"; where several answers are equally right, there
is no fact. Everything is read through Babel. Knows neither passages nor questions.

    facts_of("JP")[0]       # Fact(territory="JP", name="Japan", kind="currency", value="Japanese Yen")
    len(list_facts())       # about 2,500
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache
from types import MappingProxyType
from typing import Any

from babel import Locale, dates
from babel.core import get_global, parse_locale
from babel.localedata import locale_identifiers
from babel.numbers import get_currency_name, get_territory_currencies

from .readings import name_of, shared_codes

LEAST_SHARE = 1.0  # per cent: below it a language is not worth a sentence
LONGEST_VALUE = 60  # characters
EVER = date(1000, 1, 1), date(2100, 1, 1)

KINDS: Mapping[str, str] = MappingProxyType(
    {
        "currency": "the money in use there today",
        "currency code": "the three-letter ISO 4217 code of that money",
        "former currency": "the money that was legal tender there just before",
        "currency year": "the year since when today's money has been in use",
        "official language": "the only official language, where there is just one",
        "main language": "the language that most people there speak",
        "main share": "the share of the population that speaks it",
        "second language": "the language that the second most people there speak",
        "second share": "the share of the population that speaks that one",
        "script": "the script in which the main language is written there",
        "first weekday": "the day with which a week begins on calendars there",
        "time zone": "the name of the standard time, where the whole territory has the same",
    }
)


@dataclass(frozen=True, order=True)
class Fact:
    """One thing that is true of a territory."""

    territory: str  # code, such as "JP"
    name: str  # of the territory, such as "Japan"
    kind: str  # of KINDS
    value: str  # as it stands in a text, such as "Japanese Yen"


@cache
def list_facts(language: str = "en") -> tuple[Fact, ...]:
    """All facts, sorted by territory and, within it, in the order of KINDS; names and values in `language`.

    At most one fact for each (territory, kind), and every value is at most 60 characters.
    """
    return tuple(fact for code in shared_codes("territory") for fact in _read_facts(code, language))


@cache
def facts_of(territory: str, language: str = "en") -> tuple[Fact, ...]:
    """The facts about one territory, by its code; none where CLDR knows nothing."""
    return tuple(fact for fact in list_facts(language) if fact.territory == territory)


@cache
def territory_names(language: str = "en") -> Mapping[str, str]:
    """Code -> name of every territory that has facts."""
    return MappingProxyType({fact.territory: fact.name for fact in list_facts(language)})


def place_name(name: str) -> str:
    """An English name as it stands inside a sentence: "the Philippines", "Japan"."""
    last = name.split()[-1] if name.split() else ""
    needs = name.startswith("United ") or (last in _PLURAL and "&" not in name) or name in _WITH_ARTICLE
    return f"the {name}" if needs else name


_PLURAL = frozenset({"Islands", "Republic", "Territories", "Territory", "Emirates", "Lands"})
_WITH_ARTICLE = frozenset(
    {
        "Bahamas", "Comoros", "Gambia", "Isle of Man", "Maldives", "Netherlands", "Philippines", "Seychelles",
        "Turks & Caicos Islands",
    }
)  # fmt: skip
_NO_LANGUAGE = frozenset({"und", "mul", "mis", "zxx"})
_HAN = ("Hans", "Hant")  # named alone "Simplified" and "Traditional", which say nothing of a script


def _read_facts(code: str, language: str) -> Iterator[Fact]:
    found = {kind: value for read in _READERS for kind, value in read(code, Locale.parse(language))}
    name = name_of("territory", code, language)
    for kind in KINDS:
        value = found.get(kind, "")
        if 0 < len(value) <= LONGEST_VALUE:
            yield Fact(code, name, kind, value)


def _read_money(code: str, locale: Locale) -> Iterator[tuple[str, str]]:
    """Nothing where two kinds of money are in use side by side."""
    spans: list[dict[str, Any]] = get_territory_currencies(
        code, start_date=EVER[0], end_date=EVER[1], tender=True, non_tender=False, include_details=True
    )
    current = [span for span in spans if span["to"] is None]
    if len(current) != 1:
        return
    now = current[0]
    yield "currency", get_currency_name(now["currency"], locale=locale)
    yield "currency code", now["currency"]
    if now["from"] is not None:
        yield "currency year", str(now["from"].year)
    ended = [span for span in spans if span["to"] is not None and span["currency"] != now["currency"]]
    last = max((span["to"] for span in ended), default=None)
    before = {span["currency"] for span in ended if span["to"] == last}
    # a new money often has the old one's name: then the fact would say nothing
    if len(before) == 1 and now["from"] is not None and last >= now["from"]:
        name = re.sub(r" \(\d{4}.*\)$", "", get_currency_name(before.pop(), locale=locale))
        if name != get_currency_name(now["currency"], locale=locale):
            yield "former currency", name


def _read_languages(code: str, locale: Locale) -> Iterator[tuple[str, str]]:
    listed: dict[str, dict[str, Any]] = get_global("territory_languages").get(code, {})
    # a language that is written in two scripts stands there twice
    spoken = {one: about for one, about in listed.items() if one.partition("_")[0] not in listed or "_" not in one}
    if _NO_LANGUAGE & set(spoken):
        return
    official = [one for one, about in spoken.items() if about["official_status"] in ("official", "de_facto_official")]
    if len(official) == 1 and official[0] in locale.languages:
        yield "official language", str(locale.languages[official[0]])
    ranked = sorted(((about["population_percent"], one) for one, about in spoken.items()), reverse=True)
    shares = [share for share, _ in ranked] + [0.0, 0.0]
    for rank, place in enumerate(("main", "second")):
        if shares[rank] <= shares[rank + 1] or shares[rank] < LEAST_SHARE or ranked[rank][1] not in locale.languages:
            return
        yield f"{place} language", str(locale.languages[ranked[rank][1]])
        yield f"{place} share", f"{shares[rank]:g}%"
        if rank == 0:
            yield from _read_script(ranked[0][1], code, locale)


def _read_script(spoken: str, code: str, locale: Locale) -> Iterator[tuple[str, str]]:
    likely: Mapping[str, str] = get_global("likely_subtags")
    tag = likely.get(f"{spoken}_{code}") or likely.get(spoken, "")
    script = next((part for part in tag.split("_") if len(part) == 4), "")
    script = "Hani" if script in _HAN else script
    if script in locale.scripts:
        yield "script", str(locale.scripts[script])


def _read_week(code: str, locale: Locale) -> Iterator[tuple[str, str]]:
    place = _locales().get(code)
    if place is not None:
        day = Locale.parse(place).first_week_day
        yield "first weekday", str(dates.get_day_names("wide", "stand-alone", locale)[day])


@cache
def _locales() -> Mapping[str, str]:
    """Territory -> a locale of it: CLDR says how a week is counted by territory, Babel by locale."""
    return {parse_locale(identifier)[1] or "": identifier for identifier in sorted(locale_identifiers())}


def _read_time(code: str, locale: Locale) -> Iterator[tuple[str, str]]:
    """The one standard time of all zones; a zone without a name of its own (GMT+5) has none."""
    zones: list[str] = get_global("territory_zones").get(code, [])
    names = {dates.get_timezone_name(zone, "long", zone_variant="standard", locale=locale) for zone in zones}
    if len(names) == 1 and not any(character.isdigit() for character in min(names)):
        yield "time zone", str(min(names))


_READERS: tuple[Callable[[str, Locale], Iterator[tuple[str, str]]], ...] = (
    _read_money,
    _read_languages,
    _read_week,
    _read_time,
)
