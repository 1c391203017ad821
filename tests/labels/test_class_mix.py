import numpy as np
import pytest
from pydantic import ValidationError

from synthgen.errors import UserError
from synthgen.labels.class_mix import build_class_mix
from synthgen.labels.options import ClassConditionOptions
from synthgen.types import Data, Origin

ORIGIN = Origin("x", "x", "x", "x", "x")
DATA = Data({"label": np.array([0, 0, 0, 1])}, {}, {}, ("apple", "banana", "cherry"), ORIGIN)


def mix(balance, seed=0):
    return build_class_mix(DATA, ClassConditionOptions(balance=balance), seed)


@pytest.mark.parametrize(
    ("balance", "shares"),
    [
        ("uniform", [1 / 3, 1 / 3, 1 / 3]),
        ("real", [0.75, 0.25, 0]),
        ({"cherry": 3, "apple": 1}, [0.25, 0, 0.75]),
        ({"banana": 0.001, "cherry": 0.999}, [0, 0.001, 0.999]),
    ],
)
@pytest.mark.parametrize("start", [0, 12345, 2**40])
def test_any_run_of_rows_is_near_the_mix(balance, shares, start):
    drawn = mix(balance).draw(np.arange(start, start + 1000))["label"]
    assert drawn.dtype == np.int64
    counts = np.bincount(drawn, minlength=3)
    assert np.abs(counts - 1000 * np.array(shares)).max() <= 4
    assert (counts[np.array(shares) == 0] == 0).all()
    for part in drawn.reshape(10, 100):
        assert np.abs(np.bincount(part, minlength=3) - 100 * np.array(shares)).max() <= 3


def test_a_label_depends_on_seed_and_index_alone():
    one = mix("uniform")
    whole = one.draw(np.arange(100))["label"]
    np.testing.assert_array_equal(whole[[7, 50]], one.draw(np.array([7, 50]))["label"])
    np.testing.assert_array_equal(whole, mix("uniform").draw(np.arange(100))["label"])
    assert (whole != mix("uniform", seed=1).draw(np.arange(100))["label"]).any()
    assert len(one.draw(np.zeros(0, np.int64))["label"]) == 0


def test_neighbouring_labels_are_not_always_the_same_pair():
    labels = mix("uniform").draw(np.arange(3000))["label"]
    assert len({tuple(labels[i : i + 3]) for i in range(2997)}) >= 6


@pytest.mark.parametrize(
    ("balance", "message"),
    [
        ({"banan": 1}, "conditions.balance: 'banan' is not a class of the data; did you mean 'banana'?"),
        ({"zzz": 1}, "conditions.balance: 'zzz' is not a class of the data; the classes are apple, banana, cherry"),
        ({"apple": 0}, "conditions.balance: every weight is 0; give at least one class a weight above 0"),
        ({}, "conditions.balance: every weight is 0; give at least one class a weight above 0"),
    ],
)
def test_wrong_mixes_are_told_in_a_sentence(balance, message):
    with pytest.raises(UserError) as error:
        mix(balance)
    assert str(error.value) == message


@pytest.mark.parametrize("balance", ["equal", {"apple": -1}, {"apple": float("inf")}, {"apple": 1e300}, 3])
def test_absurd_weights_are_refused(balance):
    with pytest.raises(ValidationError):
        ClassConditionOptions(balance=balance)


def test_a_class_that_is_not_to_be_drawn_is_drawn_where_it_is_named():
    data = Data({"label": np.array([0, 2, 2])}, {}, {}, ("a", "b", "c"), ORIGIN, details={"undrawn": ("b",)})
    assert set(build_class_mix(data, ClassConditionOptions(), 0).draw(np.arange(99))["label"]) == {0, 2}
    named = ClassConditionOptions(balance={"b": 1})
    assert set(build_class_mix(data, named, 0).draw(np.arange(9))["label"]) == {1}
