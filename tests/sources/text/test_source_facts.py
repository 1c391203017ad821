"""Facts about territories are single, short, and those that CLDR states."""

import pytest

from synthgen.sources.text.facts import KINDS, LONGEST_VALUE, facts_of, list_facts, place_name, territory_names


def told(territory: str) -> dict[str, str]:
    return {fact.kind: fact.value for fact in facts_of(territory)}


def test_what_is_known_of_some_territories():
    japan, germany = told("JP"), told("DE")
    assert japan["currency"] == "Japanese Yen" and japan["currency code"] == "JPY" and japan["currency year"] == "1871"
    assert japan["official language"] == japan["main language"] == "Japanese"
    assert japan["first weekday"] == "Sunday" and germany["first weekday"] == "Monday"
    assert germany["former currency"] == "German Mark" and germany["currency"] == "Euro"
    assert germany["time zone"] == "Central European Standard Time" and germany["script"] == "Latin"
    assert germany["second language"] == "English"


def test_there_is_one_short_value_for_each_territory_and_kind():
    facts = list_facts()
    assert len({(fact.territory, fact.kind) for fact in facts}) == len(facts) > 2_000
    assert len(territory_names()) > 240 and {fact.kind for fact in facts} == set(KINDS)
    for fact in facts:
        assert 0 < len(fact.value) <= LONGEST_VALUE and fact.value == fact.value.strip()
        assert fact.name and fact.territory not in ("EU", "EZ", "UN", "QO", "XA", "XB", "ZZ")


def test_several_right_answers_are_no_fact():
    assert "official language" not in told("CH") and "official language" not in told("BE")
    assert "time zone" not in told("US")
    assert told("ME").get("former currency") != told("ME")["currency"]


def test_shares_are_those_of_the_two_largest_languages():
    for code in territory_names():
        known = told(code)
        if "second share" in known:
            assert float(known["main share"].rstrip("%")) > float(known["second share"].rstrip("%")) >= 1


def test_facts_are_given_in_other_languages_and_in_order():
    assert ("Japan", "Japanischer Yen") in {(fact.name, fact.value) for fact in list_facts("de")}
    kinds = list(KINDS)
    places = [(fact.territory, kinds.index(fact.kind)) for fact in list_facts()]
    assert places == sorted(places)


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("Japan", "Japan"),
        ("Philippines", "the Philippines"),
        ("United Kingdom", "the United Kingdom"),
        ("Cook Islands", "the Cook Islands"),
        ("St. Kitts & Nevis", "St. Kitts & Nevis"),
    ],
)
def test_some_names_have_an_article(name, wanted):
    assert place_name(name) == wanted
