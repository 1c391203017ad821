"""Looks during the training keep texts as well as numbers, and no pickle; a base that may change is told."""

from types import SimpleNamespace

import numpy as np
import pytest

from synthgen.modelling import _keep_look, read_looks, warn_of_base
from synthgen.networks.options import BaseOptions


@pytest.fixture
def place(tmp_path):
    events = []
    return SimpleNamespace(state=tmp_path, log=lambda event, **facts: events.append((event, facts)), events=events)


def objects(*values):
    column = np.empty(len(values), object)
    column[:] = values
    return column


def test_columns_of_texts_and_of_what_texts_are_made_of_come_back_as_they_were(place):
    rows = {
        "label": np.array([1, 0, 2]),
        "image": np.arange(12, dtype=np.uint8).reshape(3, 2, 2),
        "text": objects("3. März", "", "שלום \u202e \ud800 \x00 👩\u200d👧"),
        "values": objects((), (("CH", 1), "7"), (None, True, 0.5, ("a",))),
        "messages": objects([("user", "hi")], [{"role": "user", "tuple": ["x"]}], []),
        "nothing": objects(None, None, np.int64(3)),
    }
    _keep_look(place, 20, rows)
    _keep_look(place, 3, {name: values[:0] for name, values in rows.items()})
    (first, empty), (second, found) = read_looks(place)
    assert (first, second) == (3, 20) and list(found) == list(rows) == list(empty)
    for name, values in rows.items():
        assert found[name].dtype == values.dtype and found[name].tolist() == values.tolist(), name
        assert len(empty[name]) == 0 and empty[name].dtype == values.dtype
    assert isinstance(found["values"][1], tuple) and isinstance(found["values"][1][0], tuple)
    assert isinstance(found["messages"][0], list)


def test_files_in_cells_are_not_kept(place):
    _keep_look(place, 1, {"label": np.arange(2), "mesh": objects(b"ply", b"ply")})
    ((_, found),) = read_looks(place)
    assert list(found) == ["label"]


def test_arrays_in_cells_keep_their_type(place):
    _keep_look(place, 1, {"points": objects(np.eye(2, dtype=np.float32), np.zeros((0, 3), np.int16))})
    ((_, found),) = read_looks(place)
    assert found["points"][0].dtype == np.float32 and found["points"][0].tolist() == [[1, 0], [0, 1]]
    assert found["points"][1].dtype == np.int16 and found["points"][1].shape == (0, 3)


def test_no_look_holds_a_pickle_and_a_damaged_one_is_a_picture_less(place):
    _keep_look(place, 1, {"text": objects("a")})
    _keep_look(place, 2, {"text": objects("b")})
    path = place.state / "looks" / "step-000000001.npz"
    with np.load(path, allow_pickle=False) as file:
        assert all(file[name].dtype == np.uint8 for name in file.files)
    path.write_bytes(path.read_bytes()[:40])
    assert [step for step, _ in read_looks(place)] == [2] and place.events == [("damaged", {"what": path.name})]


class Notes:
    def __init__(self):
        self.told = []

    def note(self, text):
        self.told.append(text)


def test_a_base_that_may_change_is_told_with_how_to_pin_it(place, tmp_path, monkeypatch):
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    for revision, shown in ((None, "null"), ("main", "main"), ("0123abc", "0123abc")):
        notes = Notes()
        warn_of_base(BaseOptions(base="owner/name", revision=revision), place, notes)
        assert notes.told == [
            f"model.revision: {shown} of owner/name may be another model tomorrow; to pin it, write model.revision: "
            "<the commit>"
        ]
    assert [event for event, _ in place.events] == ["warning"] * 3


def test_what_stays_as_it_is_is_not_told(place, tmp_path):
    notes = Notes()
    for options in (
        BaseOptions(), BaseOptions(base=str(tmp_path)), BaseOptions(base="owner/name", revision="0123456789" * 4),
    ):  # fmt: skip
        warn_of_base(options, place, notes)
    assert not notes.told and not place.events
