"""Pairs are translations by construction, and Babel itself tells right ones from wrong ones."""

import numpy as np
import pytest

from synthgen.errors import UserError
from synthgen.sources.text.phrases import (
    FAMILIES,
    Pair,
    check_language,
    draw_pairs,
    is_translation,
    part_of,
)
from synthgen.sources.text.readings import find_names, shared_codes

LANGUAGES = ("de", "pl", "ar", "ja", "fr", "hi", "he", "pt_BR")


@pytest.mark.parametrize("name", FAMILIES)
def test_a_right_pair_is_known_as_one_and_others_are_not(name):
    family, draw = FAMILIES[name], np.random.default_rng(0)
    for language in LANGUAGES:
        for _ in range(4):
            facts, other = family.draw(draw), family.draw(draw)
            english, foreign, wrong = (
                family.write(facts, "en"),
                family.write(facts, language),
                family.write(other, language),
            )
            assert is_translation(name, english, foreign, "en", language), (facts, english, foreign)
            if len(set(foreign.split("، و"))) == len(foreign.split("، و")):  # where CLDR's Arabic repeats a unit
                assert is_translation(name, foreign, english, language, "en"), (facts, english, foreign)
            assert wrong == foreign or not is_translation(name, english, wrong, "en", language), (english, wrong)


def test_near_misses_are_wrong():
    for family, source, target in (
        ("price", "€1,234.50", "1.234,60 €"),
        ("price", "€1,234.50", "1.234,50 $"),
        ("price", "€1,234.50", "1,234.50 €"),
        ("date long", "March 3, 2024", "4. März 2024"),
        ("date long", "March 3, 2024", "3. Mai 2024"),
        ("duration", "3 hours", "3 Stunde"),
        ("territories, and", "France and Italy", "Italien und Frankreich"),
        ("territories, and", "France and Italy", "Frankreich oder Italien"),
        ("number", "", ""),
        ("date full", "no date at all", "kein Datum"),
        ("spoken in", "Danish (Denmark", "Dänisch (Dänemark"),
        ("two units", "5 meters and 5 meters", "5 Meter und 5 Meter"),
    ):
        assert not is_translation(family, source, target, "en", "de"), (family, source, target)
    assert is_translation("price", "€1,234.50", "1.234,50\xa0€", "en", "de")
    assert is_translation("duration", "1 hour", "1 Stunde", "en", "de")


def test_pairs_repeat_are_distinct_and_cover_every_family():
    pairs = draw_pairs("en", "de", 440, seed=3)
    assert pairs == draw_pairs("en", "de", 440, seed=3) != draw_pairs("en", "de", 440, seed=4)
    assert len({(pair.family, pair.facts) for pair in pairs}) == len(pairs) >= 440
    assert {pair.family for pair in pairs} == set(FAMILIES)
    assert sum(pair.family == "territory" for pair in pairs) == len(shared_codes("territory")) > 200
    longer = draw_pairs("en", "de", 880, seed=3)
    assert set(pairs) <= set(longer) and all(pair.source and pair.target for pair in longer)
    shared = draw_pairs("en", "de", 440, seed=3, shared=True)
    more = {pair.family for pair in set(shared) - set(pairs)}
    assert set(pairs) <= set(shared) and more == {family.name for family in FAMILIES.values() if family.share > 1}


def test_parts_share_no_facts_and_single_names_are_for_training():
    pairs = draw_pairs("en", "fr", 3000, seed=0)
    parts = {part: [p for p in pairs if part_of(p, 0.1, 0.2) == part] for part in ("train", "validation", "heldout")}
    shares = {part: len(found) / len(pairs) for part, found in parts.items()}
    assert 0.13 < shares["heldout"] < 0.2 and 0.05 < shares["validation"] < 0.1
    seen = {part: {tuple(sorted(pair.facts)) for pair in found} for part, found in parts.items()}
    assert not seen["train"] & seen["heldout"] and not seen["train"] & seen["validation"]
    assert not seen["validation"] & seen["heldout"]
    assert not any(FAMILIES[pair.family].alone for part in ("validation", "heldout") for pair in parts[part])
    one, other = (Pair("territories, and", facts, "", "") for facts in (("FR", "IT"), ("IT", "FR")))
    assert part_of(one, 0.1, 0.2) == part_of(other, 0.1, 0.2)


def test_names_are_found_the_longest_first():
    assert find_names("Guinea-Bissau and Guinea", "en", "territory") == [("GW",), ("GN",)]


@pytest.mark.parametrize(("given", "found"), [("de", "de"), ("pt-BR", "pt_BR"), ("zh_Hant_TW", "zh_Hant_TW")])
def test_languages_are_written_as_cldr_does(given, found):
    assert check_language(given) == found


@pytest.mark.parametrize("given", ["xx", "", "klingon", "e", "de-XX-YY-ZZ", "../etc"])
def test_a_language_that_cldr_does_not_know_is_told_in_a_sentence(given):
    with pytest.raises(UserError, match=f"source.languages: '{given}' is not a language that CLDR knows; give codes"):
        check_language(given)
