"""What texts in the languages of CLDR may name: territories, languages, numbers, days, times of day.

Too many readings rather than too few: who writes a reading again sees whether it was meant. Knows names and digits, not
what is asked of them.

    find_names("France and Italy", "en", "territory")  # [("FR",), ("IT",)]
    list(find_dates("3. März 2024", "de"))  # ["2024-03-03"]
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date, time
from decimal import Decimal
from functools import cache
from itertools import product

from babel import Locale, numbers


@cache
def _names(language: str, kind: str) -> dict[str, str]:
    """Code -> name, of territories or languages."""
    locale = Locale.parse(language)
    if kind == "territory":
        return {code: str(name) for code, name in locale.territories.items() if len(code) == 2 and code not in _NO_LAND}
    return {code: str(name) for code, name in locale.languages.items() if len(code) == 2}


_NO_LAND = frozenset({"EU", "EZ", "UN", "QO", "XA", "XB", "ZZ"})


@cache
def shared_codes(kind: str) -> tuple[str, ...]:
    """Codes that English names: what is drawn. A language that lacks a name writes the code."""
    return tuple(sorted(_names("en", kind)))


def name_of(kind: str, code: str, language: str) -> str:
    return _names(language, kind).get(code, code)


@cache
def _finder(language: str, kind: str) -> tuple[re.Pattern[str], dict[str, tuple[str, ...]]]:
    """A pattern that finds names, longest first, and their codes."""
    codes: dict[str, list[str]] = {}
    for code in shared_codes(kind):
        codes.setdefault(name_of(kind, code, language), []).append(code)
    ordered = sorted(codes, key=len, reverse=True)
    return re.compile("|".join(map(re.escape, ordered))), {name: tuple(found) for name, found in codes.items()}


def find_names(text: str, language: str, kind: str) -> list[tuple[str, ...]]:
    """The codes of each name in the text, in order."""
    pattern, codes = _finder(language, kind)
    return [codes[found] for found in pattern.findall(text)]


NUMBER = re.compile(r"\d+(?:[.,'’\u00a0\u202f ٫٬]\d+)*")


def find_numbers(text: str, language: str) -> list[str]:
    """The numbers of the text as Decimal writes them; and 1 and 2, which some languages do not write."""
    found = ["1", "2"]
    for piece in NUMBER.findall(text):
        try:
            found.append(plain(numbers.parse_decimal(piece, locale=language)))
        except numbers.NumberFormatError:
            found += re.findall(r"\d+", piece)
    return found


@cache
def _month_names(language: str) -> tuple[tuple[str, int], ...]:
    months = Locale.parse(language).months
    return tuple(
        (str(name), number)
        for form in ("format", "stand-alone")
        for width in ("wide", "abbreviated")
        for number, name in months.get(form, {}).get(width, {}).items()
    )


def find_dates(text: str, language: str) -> Iterator[str]:
    """Days that the names of months and the numbers of the text allow, in ISO form."""
    values = [int(v) for v in re.findall(r"\d+", text)]
    named = {number for name, number in _month_names(language) if name in text}
    months = named | {v for v in values if 1 <= v <= 12}
    years = {v for v in values if v > 99} or {c + v for v in values if v < 100 for c in (1900, 2000)}
    days = {v for v in values if 1 <= v <= 31}
    for year, month, day in product(sorted(years), sorted(months), sorted(days)):
        try:
            yield date(year, month, day).isoformat()
        except (ValueError, OverflowError):
            continue


def find_times(text: str) -> Iterator[str]:
    values = [int(v) for v in re.findall(r"\d+", text)]
    hours = {v for v in values if v < 24} | {v + 12 for v in values if v < 12} | {v - 12 for v in values if v == 12}
    for hour, minute in product(sorted(hours), sorted({v for v in values if v < 60} | {0})):
        yield time(hour, minute).isoformat("minutes")


def plain(value: Decimal) -> str:
    """Without an exponent and without zeros at the end: some languages have another plural for 2.0 than for 2."""
    return f"{value.normalize():f}"
