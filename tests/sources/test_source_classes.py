from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from synthgen.errors import UserError
from synthgen.sources.classes import check_classes, choose_classes, clean_label, name_labels, name_values
from synthgen.sources.rows import BadRow


def seen(*masks: set[int]) -> np.ndarray:
    table = np.zeros((len(masks), 256), bool)
    for row, values in enumerate(masks):
        table[row, list(values)] = True
    return table


@pytest.mark.parametrize(("value", "clean"), [(3, 3), (3.0, 3), (True, 1), ("cat", "cat")])
def test_labels_become_numbers_or_words(value: Any, clean: Any) -> None:
    assert clean_label(value) == clean


@pytest.mark.parametrize("value", [None, "", "  ", math.nan, 0.37, [1], {"a": 1}])
def test_what_is_no_label_is_a_bad_row(value: Any) -> None:
    with pytest.raises(BadRow):
        clean_label(value)


def test_distinct_values_are_sorted_as_numbers_then_words() -> None:
    assert name_labels([10, 2, 2], None, None) == (("2", "10"), {2: 0, 10: 1})
    assert name_labels(["10", "9", "b", "a"], None, None)[0] == ("9", "10", "a", "b")


def test_feature_names_are_used_by_number_and_by_word() -> None:
    assert name_labels([0, 1, "dog", -1, 7], ("cat", "dog"), None) == (("cat", "dog"), {0: 0, 1: 1, "dog": 1})


def test_feature_names_without_rows_are_not_classes() -> None:
    assert name_labels([0, 2], ("cat", "dog", "eel"), None) == (("cat", "eel"), {0: 0, 2: 1})


def test_the_recipe_orders_the_classes() -> None:
    assert name_labels([0, 1], ("cat", "dog"), ["dog", "cat"]) == (("dog", "cat"), {0: 1, 1: 0})
    assert name_labels([5, 3, 4], None, ["5", "3"]) == (("5", "3"), {5: 0, 3: 1})
    assert name_labels(["0", 1], None, ["no", "yes"]) == (("no", "yes"), {"0": 0, 1: 1})


def test_more_than_1000_classes_are_refused() -> None:
    assert len(name_labels(range(1000), None, None)[0]) == 1000
    with pytest.raises(UserError, match="1001 distinct values"):
        name_labels(range(1001), None, None)


def test_mask_values_are_class_numbers() -> None:
    names, table = name_values(seen({0, 1}, {2}), None, None)
    assert names == ("class 0", "class 1", "class 2")
    assert list(table[:4]) == [0, 1, 2, -1]


def test_binary_masks_of_0_and_255_become_0_and_1() -> None:
    names, table = name_values(seen({0}, {255}), None, None)
    assert names == ("background", "foreground") and table[255] == 1 and table[128] == -1
    assert name_values(seen({0, 255}), ["sky", "ground"], None)[0] == ("sky", "ground")


def test_255_as_ignore_is_not_a_class() -> None:
    names, table = name_values(seen({0, 1, 255}), None, 255)
    assert names == ("background", "foreground") and table[255] == 255 and table[1] == 1


def test_gaps_in_mask_values_are_refused_with_the_fix() -> None:
    with pytest.raises(UserError, match=r"values 0, 7, 200; number the classes"):
        name_values(seen({0, 7}, {200}), None, None)


def test_named_classes_allow_values_that_do_not_occur() -> None:
    names, table = name_values(seen({0, 2}), ["a", "b", "c"], None)
    assert names == ("a", "b", "c") and list(table[:4]) == [0, 1, 2, -1]


def test_ignore_must_not_be_a_class() -> None:
    with pytest.raises(UserError, match=r"source\.ignore: 1 "):
        name_values(seen({0, 2}, {2, 3}), ["a", "b", "c", "d"], 1)


def test_a_class_without_training_rows_is_refused() -> None:
    with pytest.raises(UserError, match="'b' has no training rows but the heldout part has it"):
        check_classes(["a", "b"], np.array([3, 0]), {"heldout": np.array([1, 1])})


def test_a_class_that_held_out_lacks_is_noted() -> None:
    notes = check_classes(["a", "b"], np.array([3, 1]), {"validation": np.array([1, 1]), "heldout": np.array([1, 0])})
    assert notes == ("the heldout part has no b",)


def test_one_class_is_refused() -> None:
    with pytest.raises(UserError, match="only the class 'a'"):
        check_classes(["a"], np.array([3]), {})


def test_a_number_and_the_same_number_as_text_are_one_class() -> None:
    classes, numbers = name_labels([1, "1", 2, "2", "b"], None, None)
    assert classes == ("1", "2", "b")
    assert numbers == {1: 0, "1": 0, 2: 1, "2": 1, "b": 2}


def test_an_undeclared_255_points_to_the_ignore_value() -> None:
    with pytest.raises(UserError, match="set source.ignore to 255"):
        name_values(seen({0, 1, 2, 255}), None, None)


def test_only_some_classes_are_numbered_anew() -> None:
    assert choose_classes(("a", "b", "c"), ["c", "a"]) == {2: 0, 0: 1}
    with pytest.raises(UserError, match=r"^source.only: 'bb' is not a class of the source; .*'b'"):
        choose_classes(("a", "b", "c"), ["a", "bb"])
