"""New pairs take slots from real rows of their class; given texts are given; mistakes are told."""

import numpy as np
import pytest

from synthgen.errors import UserError
from synthgen.labels.pair_options import PairConditionOptions
from synthgen.labels.pairs import build_pairs
from synthgen.slots import Names
from synthgen.types import Data, Origin, as_objects

NAMES = Names.of([("Germany", "Deutschland"), ("Italy", "Italien"), ("Spain", "Spanien")])


def make_data(classes=("percent", "place", "name")):
    rows = [(f"{n} %", f"{n} Prozent", 0) for n in range(10, 90, 4)]
    rows += [(f"{d} in {a}", f"{d} in {b}", 1) for d in ("05", "07", "11") for a, b in NAMES.forms]
    rows += [(a, b, 2) for a, b in NAMES.forms]
    columns = {
        "source": as_objects([r[0] for r in rows]), "target": as_objects([r[1] for r in rows]),
        "label": np.array([min(r[2], len(classes) - 1) for r in rows]),
    }  # fmt: skip
    details = {"undrawn": ("name",), "languages": ("en", "de")}
    return Data(columns, columns, columns, classes, Origin("x", "x", "x", "x", "x"), details=details)


def build(**options):
    return build_pairs(make_data(), PairConditionOptions(**options), 0, NAMES, 8)


def test_new_pairs_have_values_of_their_class_and_place():
    drawn = build().draw(np.arange(400))
    assert set(drawn["label"].tolist()) == {0, 1}  # what only teaches is not drawn
    assert set(drawn["lead"].tolist()) == {0, 1} and all(text is None for text in drawn["source"])
    percents = [int(v[0]) for v, label in zip(drawn["values"], drawn["label"], strict=True) if label == 0]
    assert min(percents) >= 10 and max(percents) <= 86
    real = set(range(10, 90, 4))
    assert 0.2 < np.mean([value in real for value in percents]) < 0.9  # the others lie between real ones
    places = [v for v, label in zip(drawn["values"], drawn["label"], strict=True) if label == 1]
    assert all(len(v[0]) == 2 and v[1] in NAMES.forms for v in places)
    assert len({tuple(v) for v in places}) > 9


def test_without_recombining_values_are_those_of_one_row():
    generator = build(recombine=False)
    drawn = generator.draw(np.arange(100))
    rows = {(t.text, t.values) for found in generator.templates.values() for t in found}
    assert all((like, values) in rows for like, values in zip(drawn["like"], drawn["values"], strict=True))


def test_a_named_mix_draws_what_it_names():
    assert set(build(balance={"name": 1}).draw(np.arange(20))["label"].tolist()) == {2}
    with pytest.raises(UserError, match="'plase' is not a class of the data; did you mean 'place'"):
        build(balance={"plase": 1})


def test_each_given_text_is_given_once_in_every_round():
    data = make_data()
    drawn = build(write="source").draw(np.arange(2 * len(data.train["label"])))
    count = len(data.train["label"])
    assert sorted(drawn["target"][:count]) == sorted(data.train["target"]) == sorted(drawn["target"][count:])
    assert set(drawn["lead"].tolist()) == {1} and drawn["target"][:count].tolist() != drawn["target"][count:].tolist()


def test_texts_of_a_file_are_given(tmp_path):
    path = tmp_path / "texts.txt"
    path.write_text("44 %\n\n44 %\n46 %\n" + "x" * 1000 + "\n")
    data = make_data(classes=("any",))
    options = PairConditionOptions(write="target", texts=str(path))
    drawn = build_pairs(data, options, 0, NAMES, 8).draw(np.arange(2))
    assert sorted(drawn["source"]) == ["44 %", "46 %"]
    path.write_text("x" * 1000)
    with pytest.raises(UserError, match="has no line of 1 to"):
        build_pairs(data, options, 0, NAMES, 8)
    with pytest.raises(UserError, match="cannot be read as UTF-8"):
        build_pairs(data, PairConditionOptions(write="target", texts=str(tmp_path / "none")), 0, NAMES, 8)
    with pytest.raises(UserError, match="has 3 classes"):
        build_pairs(make_data(), options, 0, NAMES, 8)


def test_options_that_do_not_belong_together():
    with pytest.raises(ValueError, match="set write to target or source"):
        PairConditionOptions(texts="a.txt")
    with pytest.raises(ValueError, match="keep belongs to write: both"):
        PairConditionOptions(write="target", keep=0.5)


def test_an_order_that_all_real_rows_keep_is_kept_and_places_are_those_of_the_form():
    rows = [(f"{a} to {a + n}", f"{a} bis {a + n}") for a in range(1900, 1960, 2) for n in (3, 7)]
    rows += [(f"{d}/{d}/{y}", f"{d}.{d}.{y}") for d in (10, 11, 12) for y in (70, 75, 81)]
    rows += [(f"{m}/{d}/{y}", f"{d}.{m}.{y}") for m in (10, 11) for d in (20, 28) for y in (70, 75, 81)]
    columns = {
        "source": as_objects([r[0] for r in rows]), "target": as_objects([r[1] for r in rows]),
        "label": np.array([int("/" in r[0]) for r in rows]),
    }  # fmt: skip
    details = {"undrawn": (), "languages": ("en", "de")}
    data = Data(columns, columns, columns, ("years", "date"), Origin("x", "x", "x", "x", "x"), details=details)
    drawn = build_pairs(data, PairConditionOptions(lead="source"), 0, Names.of([]), 8).draw(np.arange(300))
    years = [v for v, label in zip(drawn["values"], drawn["label"], strict=True) if label == 0]
    assert all(int(a) <= int(b) for a, b in years) and len(set(years)) > 50
    dates = [v for v, label in zip(drawn["values"], drawn["label"], strict=True) if label == 1]
    assert {len(v) for v in dates} == {2, 3}
    assert all(int(v[1]) <= 28 if len(v) == 3 else int(v[1]) >= 70 for v in dates)
