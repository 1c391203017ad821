"""Parallel phrases in any two languages that CLDR knows: dates, times, durations, numbers, money, units, lists, names.

A phrase begins as facts (a day, an amount, a territory), and Babel writes them in each language, so a pair is a
translation by construction. The way back is here too: a family reads the facts that a text may state and writes them
again, so that Babel itself says whether a pair is right. Knows languages, neither files nor tokens.

    family = FAMILIES["price"]
    facts = family.draw(generator)                  # ("1234.5", "EUR")
    family.write(facts, "de")                       # "1.234,50 €"
    is_translation("price", "€1,234.50", "1.234,50 €", "en", "de")
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, time, timedelta
from decimal import Decimal
from hashlib import blake2b
from itertools import islice, product
from typing import Any

import numpy as np
from babel import Locale, UnknownLocaleError, dates, lists, numbers, units
from babel.core import get_locale_identifier, parse_locale

from ...errors import UserError
from .readings import find_dates, find_names, find_numbers, find_times, name_of, plain, shared_codes

Facts = tuple[str, ...]
MOST_TRIES = 20  # for each pair that is wanted: some families have few
MOST_READINGS = 8_000  # of a text, before it counts as one that states nothing
CURRENCIES = ("EUR", "USD", "GBP", "JPY", "CHF", "SEK", "PLN", "BRL", "INR", "CNY", "AUD", "CAD", "MXN", "TRY")
UNITS = (
    "length-meter", "length-kilometer", "length-centimeter", "length-mile", "mass-kilogram", "mass-gram",
    "volume-liter", "temperature-celsius", "area-square-kilometer", "speed-kilometer-per-hour", "energy-kilowatt-hour",
    "digital-gigabyte", "duration-hour", "duration-minute", "duration-day",
)  # fmt: skip
SPANS = {"second": 1, "minute": 60, "hour": 3600, "day": 86400, "week": 7 * 86400}
FIRST, DAYS = date(1950, 1, 1), 100 * 365


@dataclass(frozen=True)
class Family:
    """One kind of phrase."""

    name: str
    draw: Callable[[np.random.Generator], Facts]
    write: Callable[[Facts, str], str]  # (facts, language)
    read: Callable[[str, str], Iterator[Facts]]  # (text, language): facts that it may state, and more
    alone: bool = False  # a single name: who has never seen it cannot know it, so it is only for training
    share: int = 1  # times as many pairs to train on as of others: which of two months is which takes more to learn


@dataclass(frozen=True)
class Pair:
    """The same facts in two languages."""

    family: str
    facts: Facts
    source: str
    target: str


def check_language(language: str) -> str:
    """The identifier as Babel writes it, such as "de" or "pt_BR"; a UserError for a language that CLDR lacks."""
    try:
        if set(language) & set(".@"):  # POSIX's encoding and modifier, which Babel reads past
            raise ValueError
        parts = parse_locale(language.replace("-", "_"))
        found = Locale.parse(get_locale_identifier(parts))
    except (ValueError, UnknownLocaleError):
        raise UserError(
            f"source.languages: {language!r} is not a language that CLDR knows; give codes such as en, de or pt_BR"
        ) from None
    return str(found)


def is_translation(family: str, source: str, target: str, one: str, other: str) -> bool:
    """Whether some facts are written as `source` in language `one` and as `target` in the other."""
    found = FAMILIES[family]
    readings = islice(found.read(source, one), MOST_READINGS)
    return any(f and found.write(f, one) == source and found.write(f, other) == target for f in readings)


def draw_pairs(one: str, other: str, count: int, seed: int, shared: bool = False) -> list[Pair]:
    """At least `count` distinct pairs, of each family about as many, or as its share says; all there are of single
    names.

    The same languages and seed give the same pairs; a longer list has those of a shorter one.
    """
    each = -(-count // len(FAMILIES))
    found = []
    for number, family in enumerate(FAMILIES.values()):
        wanted = each * family.share if shared else each
        seen: dict[Facts, None] = {}
        if family.alone:
            seen = {(code,): None for code in shared_codes(family.name)}
        else:
            draw = np.random.Generator(np.random.Philox(key=np.array([seed, number], np.uint64)))
            for _ in range(MOST_TRIES * wanted):
                seen[family.draw(draw)] = None
                if len(seen) == wanted:
                    break
        found += [Pair(family.name, facts, family.write(facts, one), family.write(facts, other)) for facts in seen]
    return found


def part_of(pair: Pair, validation: float, heldout: float) -> str:
    """train, validation or heldout: by the facts alone, in whatever order they stand, so that no fact is in two parts.

    Single names are for training: no one can translate a name that he has not seen.
    """
    if FAMILIES[pair.family].alone:
        return "train"
    digest = blake2b("\n".join(sorted(pair.facts)).encode(), digest_size=8).digest()
    share = int.from_bytes(digest, "little") / 2**64
    return "heldout" if share < heldout else "validation" if share < heldout + (1 - heldout) * validation else "train"


def draw_date(draw: np.random.Generator) -> str:
    return (FIRST + timedelta(days=int(draw.integers(DAYS)))).isoformat()


def draw_time(draw: np.random.Generator) -> str:
    return time(int(draw.integers(24)), int(draw.integers(60))).isoformat("minutes")


def draw_amount(draw: np.random.Generator, places: int = 2) -> str:
    """Between 1 and about a million, small ones more often, with at most `places` decimals."""
    decimals = int(draw.integers(places + 1))
    return plain(Decimal(int(10 ** draw.uniform(0, 6) * 10**decimals)).scaleb(-decimals))


def draw_price(draw: np.random.Generator) -> Facts:
    currency = str(draw.choice(CURRENCIES))
    return draw_amount(draw, numbers.get_currency_precision(currency)), currency


def glue(when: str, clock: str, language: str) -> str:
    day, hour = date.fromisoformat(when), time.fromisoformat(clock)
    pattern = dates.get_datetime_format("long", locale=language)
    written = dates.format_time(hour, "short", locale=language), dates.format_date(day, "long", locale=language)
    return str(pattern).replace("'", "").replace("{0}", written[0]).replace("{1}", written[1])


def write_span(facts: Facts, language: str, direction: bool = False) -> str:
    unit: Any = facts[1]
    seconds = int(facts[0]) * SPANS[unit]
    return str(
        dates.format_timedelta(
            timedelta(seconds=seconds), granularity=unit, threshold=1e9, add_direction=direction, locale=language
        )
    )


def write_units(facts: Facts, language: str) -> str:
    written = [write_unit(pair, language) for pair in zip(facts[::2], facts[1::2], strict=True)]
    try:
        return lists.format_list(written, style="unit", locale=language)
    except KeyError:  # CLDR's list of units is incomplete in a few languages, such as Spanish
        return lists.format_list(written, locale=language)


def write_unit(facts: Facts, language: str) -> str:
    return str(units.format_unit(Decimal(facts[0]), facts[1], "long", locale=language))


def write_list(kind: str, style: Any) -> Callable[[Facts, str], str]:
    return lambda facts, language: lists.format_list(
        [name_of(kind, code, language) for code in facts], style=style, locale=language
    )


def write_locale(facts: Facts, language: str) -> str:
    """A language as it is spoken somewhere, in CLDR's pattern of most languages."""
    return f"{name_of('language', facts[0], language)} ({name_of('territory', facts[1], language)})"


def several(kind: str, least: int, most: int) -> Callable[[np.random.Generator], Facts]:
    """Distinct names of one kind."""

    def draw(generator: np.random.Generator) -> Facts:
        codes = shared_codes(kind)
        count = int(generator.integers(least, most + 1))
        return tuple(codes[i] for i in generator.choice(len(codes), count, replace=False))

    return draw


def read_names(kind: str) -> Callable[[str, str], Iterator[Facts]]:
    return lambda text, language: product(*find_names(text, language, kind))


def read_amount(text: str, language: str) -> Iterator[Facts]:
    return product(find_numbers(text, language))


def read_amount_with(others: tuple[str, ...]) -> Callable[[str, str], Iterator[Facts]]:
    return lambda text, language: product(find_numbers(text, language), others)


def read_units(text: str, language: str) -> Iterator[Facts]:
    unwritten, written = find_numbers(text, language)[:2], find_numbers(text, language)[2:]
    for pair in product(written + unwritten, repeat=2) if len(written) < 2 else [written[:2]]:
        for kinds in product(UNITS, repeat=2):
            yield pair[0], kinds[0], pair[1], kinds[1]


def read_locale(text: str, language: str) -> Iterator[Facts]:
    for divided in (text.partition(" ("), text.rpartition(" (")):
        spoken, place = find_names(divided[0], language, "language"), find_names(divided[2], language, "territory")
        if spoken and place:
            yield from product(spoken[0], place[0])


def draw_units(draw: np.random.Generator) -> Facts:
    kinds = draw.choice(len(UNITS), 2, replace=False)
    return tuple(value for k in kinds for value in (str(draw.integers(1, 1000)), UNITS[k]))


def draw_span(draw: np.random.Generator) -> Facts:
    return str(draw.integers(1, 100)), str(draw.choice(list(SPANS)))


def write_weekday(facts: Facts, language: str) -> str:
    """A day with its weekday, or with that of so many days later: what two texts say alike need not be true."""
    day, shift = date.fromisoformat(facts[0]), int(facts[1]) if len(facts) > 1 else 0
    names = Locale.parse(language).days["format"]["wide"]
    own, other = names[day.weekday()], names[(day.weekday() + shift) % 7]
    return str(dates.format_date(day, "full", locale=language)).replace(own, other, 1)


def read_weekdays(text: str, language: str) -> Iterator[Facts]:
    return ((day, str(shift)) for day in find_dates(text, language) for shift in range(7))


def write_date(style: Any) -> Callable[[Facts, str], str]:
    return lambda facts, language: str(dates.format_date(date.fromisoformat(facts[0]), style, locale=language))


def write_interval(facts: Facts, language: str) -> str:
    first, last = sorted(date.fromisoformat(day) for day in facts)
    return str(dates.format_interval(first, last, skeleton="yMMMd", locale=language))


def draw_interval(draw: np.random.Generator) -> Facts:
    first = date.fromisoformat(draw_date(draw))
    return first.isoformat(), (first + timedelta(days=int(draw.integers(1, 400)))).isoformat()


FAMILIES = {
    family.name: family
    for family in (
        Family("date full", lambda draw: (draw_date(draw),), write_weekday, read_weekdays),
        *(
            Family(
                f"date {style}",
                lambda draw: (draw_date(draw),),
                write_date(style),
                lambda text, language: ((day,) for day in find_dates(text, language)),
            )
            for style in ("long", "medium", "short")
        ),
        Family(
            "time",
            lambda draw: (draw_time(draw),),
            lambda facts, language: str(dates.format_time(time.fromisoformat(facts[0]), "short", locale=language)),
            lambda text, language: ((clock,) for clock in find_times(text)),
        ),
        Family(
            "date and time",
            lambda draw: (draw_date(draw), draw_time(draw)),
            lambda facts, language: glue(facts[0], facts[1], language),
            lambda text, language: product(find_dates(text, language), find_times(text)),
        ),
        Family(
            "interval",
            draw_interval,
            write_interval,
            lambda text, language: product(find_dates(text, language), repeat=2),
            share=3,
        ),
        Family("duration", draw_span, write_span, read_amount_with(tuple(SPANS))),
        Family(
            "from now",
            draw_span,
            lambda facts, language: write_span(facts, language, direction=True),
            read_amount_with(tuple(SPANS)),
        ),
        Family(
            "number",
            lambda draw: (draw_amount(draw, 3),),
            lambda facts, language: numbers.format_decimal(Decimal(facts[0]), locale=language),
            read_amount,
        ),
        Family(
            "percent",
            lambda draw: (str(draw.integers(0, 1000)),),
            lambda facts, language: numbers.format_percent(Decimal(facts[0]) / 100, locale=language),
            read_amount,
        ),
        Family(
            "price",
            draw_price,
            lambda facts, language: numbers.format_currency(Decimal(facts[0]), facts[1], locale=language),
            read_amount_with(CURRENCIES),
        ),
        Family(
            "price in words",
            draw_price,
            lambda facts, language: numbers.format_currency(
                Decimal(facts[0]), facts[1], locale=language, format_type="name"
            ),
            read_amount_with(CURRENCIES),
        ),
        Family(
            "unit", lambda draw: (draw_amount(draw, 1), str(draw.choice(UNITS))), write_unit, read_amount_with(UNITS)
        ),
        Family("two units", draw_units, write_units, read_units),
        *(
            Family(f"{plural}, {word}", several(kind, 2, 4), write_list(kind, style), read_names(kind))
            for kind, plural in (("territory", "territories"), ("language", "languages"))
            for word, style in (("and", "standard"), ("or", "or"))
        ),
        Family(
            "spoken in",
            lambda draw: (*several("language", 1, 1)(draw), *several("territory", 1, 1)(draw)),
            write_locale,
            read_locale,
        ),
        *(
            Family(kind, several(kind, 1, 1), write_list(kind, "standard"), read_names(kind), alone=True)
            for kind in ("territory", "language")
        ),
    )
}
