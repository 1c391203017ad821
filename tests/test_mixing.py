"""How rows of two runs become one set: classes by name, real held-out rows, and nothing in two parts."""

import numpy as np
import pytest

from synthgen.continuing import Memory, mix_in, own_rows, rename_classes, without
from synthgen.types import Data, Origin

ORIGIN = Origin("new rows", "CC0-1.0", "nobody", "somebody", "by chance", ("a note",))


def rows(*labels, first=0):
    images = np.arange(first, first + len(labels), dtype=np.uint8)[:, None]
    return {"image": images, "label": np.array(labels, np.int64)}


@pytest.fixture
def data():
    return Data(rows(0, 1), rows(1, first=10), rows(0, 1, first=20), ("dog", "cow"), ORIGIN)


def remembered(train, heldout, **facts):
    told = {"base": "runs/old", "classes": ["cat", "dog"], "origin": "old rows", "license": "MIT", "rows": 3, **facts}
    return Memory(told, train, train, heldout, {}, {})


def test_old_classes_come_first_and_new_rows_are_numbered_anew(data):
    mixed = mix_in(data, remembered(rows(0, 0, 1, first=30), rows(0, 1, first=40)))
    assert mixed.classes == ("cat", "dog", "cow") and mixed.details["undrawn"] == ()
    assert mixed.train["label"].tolist() == [1, 2, 0, 0, 1]
    assert mixed.train["image"].ravel().tolist() == [0, 1, 30, 31, 32]
    assert mixed.validation["label"].tolist() == [2, 0, 0, 1] and mixed.heldout["label"].tolist() == [1, 2, 0, 1]
    own = own_rows(mixed)
    assert own.train["image"].tolist() == data.train["image"].tolist()
    assert own.heldout["image"].tolist() == data.heldout["image"].tolist()
    assert data.train["label"].tolist() == [0, 1], "the source's own rows were changed"
    assert mixed.origin.notes[0] == "a note" and "3 training rows" in mixed.origin.notes[1]
    assert "runs/old" in mixed.origin.notes[1] and "old rows, MIT" in mixed.origin.notes[1]


def test_without_replay_old_rows_are_in_no_part(data):
    mixed = mix_in(data, remembered({}, rows(0, 1, first=40)))
    assert mixed.classes == ("cat", "dog", "cow") and mixed.details["undrawn"] == ("cat",)
    assert mixed.heldout["label"].tolist() == [1, 2] and "may forget" in mixed.origin.notes[1]


def test_a_held_out_row_of_both_is_there_once(data):
    mixed = mix_in(data, remembered(rows(0, first=30), rows(1, 0, first=21)))
    assert mixed.heldout["image"].ravel().tolist() == [20, 21, 22]


def test_rows_are_the_same_whatever_their_class():
    assert without(rows(0, 1, 2), rows(5, first=1), rows(9, first=7))["image"].ravel().tolist() == [0, 2]


def test_real_rows_alone_get_the_numbers_of_the_run(data):
    named = rename_classes(data, remembered(rows(0, first=30), rows(1, first=40)))
    assert named.classes == ("cat", "dog", "cow") and named.train["label"].tolist() == [1, 2]
    assert rename_classes(data, None) is data
