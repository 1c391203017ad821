"""Parts that a judge says, where a base drew whole objects."""

from __future__ import annotations

import numpy as np
import pytest
from solids import CLASSES, PARTS, make_solids

from synthgen.judges import points as judging
from synthgen.judges.points import fit_points_judge
from synthgen.labels.judged_parts import find_surfaces, mark_parts
from synthgen.networks.points import infer_points
from synthgen.networks.supervised import Schedule
from synthgen.types import take_rows

DATA = make_solids(60, 256)


@pytest.fixture(scope="module")
def judge():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(judging, "choose_schedule", lambda rows: Schedule(60, 8, rate=1e-2, muon_rate=0.1))
        return fit_points_judge(DATA, 0, None)


def drawn(rows):
    """The rows as a base would have drawn them."""
    blank = np.zeros_like(rows["part"])
    kept = {name: rows[name] for name in ("points", "label", "size")}
    return {**kept, "part": blank, "piece": blank, "mesh": np.full(len(blank), b"ply", object)}


def test_points_get_the_parts_that_the_judge_sees(judge):
    rows = DATA.heldout
    found = mark_parts(drawn(rows), judge, DATA)
    assert found["part"].dtype == np.uint8 and found["part"].shape == rows["part"].shape
    assert (found["part"] == rows["part"]).mean() > 0.6
    assert np.array_equal(np.array(DATA.details["pieces"])[found["piece"]], found["part"])
    assert np.array_equal(found["points"], rows["points"])


def test_parts_that_the_class_lacks_are_not_found(judge):
    rows = DATA.heldout
    lamp = np.isin(PARTS, ("base", "pole", "shade"))
    allowed = np.where((rows["label"] == CLASSES.index("lamp"))[:, None], lamp, True)
    found = judge.find_parts(rows["points"], allowed)
    for logits_rows, _, logits, _ in infer_points(judge.ensemble.nets[0], rows["points"]):
        hidden = np.where(allowed[logits_rows][..., None], logits.numpy(), -np.inf)
        assert np.array_equal(found[logits_rows], hidden.argmax(1))
    marked = mark_parts(drawn(rows), judge, DATA)
    for label in range(len(CLASSES)):
        own = np.unique(DATA.train["part"][DATA.train["label"] == label])
        assert np.isin(marked["part"][rows["label"] == label], own).all()


def test_a_row_is_marked_alike_in_any_company(judge):
    rows = drawn(DATA.heldout)
    one = mark_parts(take_rows(rows, slice(4, 5)), judge, DATA)
    assert np.array_equal(one["part"], mark_parts(rows, judge, DATA)["part"][4:5])


def test_rows_with_parts_by_construction_stay_as_they_are(judge):
    rows = {name: values for name, values in DATA.train.items() if name != "boxes"}
    assert mark_parts(rows, judge, DATA) is rows


def test_rows_without_a_surface_are_found():
    points = DATA.train["points"][:2].copy()
    points[1] = 0
    scores, reasons = find_surfaces({"points": points})
    assert scores.tolist() == [1, 0] and reasons == ["", "the model drew no surface"]
