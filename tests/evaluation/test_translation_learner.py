"""The learner of pairs: right rows teach, wrong ones do not, and the measures are sacreBLEU's."""

import math

import numpy as np

from synthgen.evaluation.pair_measures import MEANINGS, compare_pairs, probe_pairs
from synthgen.evaluation.translation_learner import TranslationLearner, score_chrf, vary_sources
from synthgen.types import Data, Origin, as_objects, take_rows

WORDS = {"days": "Tage", "cats": "Katzen", "hours": "Stunden", "dogs": "Hunde", "miles": "Meilen"}


def make_rows(numbers):
    rows = [(f"{n} {one}", f"{n} {other}", n % 2) for n in numbers for one, other in WORDS.items()]
    return {
        "source": as_objects([r[0] for r in rows]), "target": as_objects([r[1] for r in rows]),
        "label": np.array([r[2] for r in rows]),
    }  # fmt: skip


DATA = Data(make_rows(range(1, 60)), make_rows([70]), make_rows(range(80, 90)), ("even", "odd", "none"),
            Origin("x", "x", "x", "x", "x"), details={"checked": True})  # fmt: skip


def measure(train, **options):
    return TranslationLearner(DATA).measure(train, DATA.heldout, steps=120, batch_size=32, seed=0, augment=False)


def test_right_pairs_teach_and_wrong_ones_do_not():
    good = measure(DATA.train)
    assert good.value > 0.95 and good.also["exact"] > 0.9 and 0 <= good.also["BLEU"] <= 1
    assert good.per_class[0] > 0.9 and math.isnan(good.per_class[2])
    bad = measure({**DATA.train, "target": np.roll(DATA.train["target"], 1)})
    assert bad.also["exact"] < 0.2 and bad.value < good.value - 0.2


def test_chrf_is_one_for_the_wanted_texts():
    assert score_chrf(["drei Tage"], ["drei Tage"]) == 1 and score_chrf(["xyz"], ["drei Tage"]) < 0.1


def test_words_are_left_out_and_numbers_are_not():
    sources = ["one two three four five 6 seven eight nine ten"] * 50
    varied = vary_sources(sources, 0)
    assert len(set(varied)) > 10 and all("6" in text for text in varied) and vary_sources(sources, 0) == varied
    assert vary_sources(["word"], 3) == ["word"] and all(len(text) > 10 for text in varied)


def test_shares_of_right_new_and_distinct_rows():
    train, made = DATA.train, take_rows(DATA.heldout, slice(0, 4))
    rows = {name: np.concatenate([made[name], made[name][:2], train[name][:2]]) for name in train}
    found = compare_pairs(rows, DATA, lambda family, source, target: source.split()[0] == target.split()[0])
    assert found == {"exact": 1.0, "new": 0.75, "new_sources": 0.75, "distinct": 0.75}
    assert "exact" not in compare_pairs(rows, DATA, None) and set(found) < set(MEANINGS)


class Labels:
    def draw(self, indices):
        return {name: values[:4] for name, values in DATA.train.items()}


def test_the_probe_asks_for_new_pairs_and_for_translations():
    asked = []

    def sample(conditions, indices):
        asked.append(conditions)
        return {**conditions, "target": as_objects(["x" if t is None else t for t in conditions["target"]])}

    found = probe_pairs(sample, Labels(), DATA, lambda family, source, target: target != "x")
    assert found["exact_before_gates"] == 1 and found["exact_given_source"] == 0 and found["chrf_given_source"] < 0.2
    assert all(text is None for text in asked[1]["target"]) and set(found) < set(MEANINGS)
    assert set(probe_pairs(sample, Labels(), DATA, None)) == {"chrf_given_source"}
