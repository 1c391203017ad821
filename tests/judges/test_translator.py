"""The round trip tells right pairs from wrong ones, is read back from disk, and is made anew for other data."""

import numpy as np
import pytest

from synthgen.judges import translator
from synthgen.judges.translator import compare, fit_translation_judge
from synthgen.types import Data, Origin, as_objects, take_rows

WORDS = {"days": "Tage", "cats": "Katzen", "hours": "Stunden", "dogs": "Hunde", "miles": "Meilen"}


def make_data():
    rows = [(f"{n} {one}", f"{n} {other}") for n in range(1, 80) for one, other in WORDS.items()]
    columns = {
        "source": as_objects([r[0] for r in rows]), "target": as_objects([r[1] for r in rows]),
        "label": np.zeros(len(rows), np.int64),
    }  # fmt: skip
    return Data(columns, columns, columns, ("any",), Origin("x", "x", "x", "x", "x"))


@pytest.fixture(scope="module")
def fitted(tmp_path_factory):
    folder = tmp_path_factory.mktemp("judge")
    return fit_translation_judge(make_data(), 0, folder), folder


def test_a_wrong_word_lowers_the_agreement(fitted):
    judge, _ = fitted
    rows = take_rows(make_data().train, slice(0, 40))
    right = judge.examine(rows)
    wrong = judge.examine({**rows, "target": np.roll(rows["target"], 1)})
    assert right.agreement.mean() > 0.95 and wrong.agreement.mean() < 0.7
    assert right.features.shape == (40, 128) and right.agreement.dtype == np.float32


def test_the_reference_is_of_rows_that_a_translator_has_not_seen(fitted):
    judge, _ = fitted
    assert len(judge.reference) == len(judge.reference_rows) == len(make_data().train["label"])
    assert judge.reference.mean() > 0.9 and len(np.unique(judge.reference_rows)) == len(judge.reference_rows)


def test_it_is_read_back(fitted, monkeypatch):
    judge, folder = fitted
    monkeypatch.setattr(translator, "fit_translator", lambda *a, **k: pytest.fail("it is there already"))
    read = fit_translation_judge(make_data(), 0, folder)
    rows = take_rows(make_data().train, slice(0, 20))
    assert np.array_equal(read.examine(rows).agreement, judge.examine(rows).agreement)
    assert np.array_equal(read.reference, judge.reference)


def test_chrf_is_one_for_equal_texts_and_less_for_others():
    found = compare(["3. März", "3. März", ""], ["3. März", "3. Mai", "x"])
    assert found[0] == 1 and 0 < found[1] < 1 and found[2] == 0


def test_few_rows_take_few_steps():
    assert [translator.choose_steps(rows) for rows in (10, 300, 3_000, 12_000, 100_000)] == [30, 100, 250, 375, 500]
