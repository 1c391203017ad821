"""Inventories come from real rows, obey what is required, and depend on the number of the row alone."""

import math

import numpy as np
import pytest
from solids import CLASSES, PARTS, make_solids

from synthgen.boxes import count_parts
from synthgen.errors import UserError
from synthgen.labels.inventories import build_inventories, move_boxes, share_points
from synthgen.labels.shape_options import ShapeConditionOptions

DATA = make_solids(180, 64)
REAL = count_parts(DATA.train["part"], len(PARTS))
PIECES = DATA.details["pieces"]


def draw(indices=range(200), seed=0, **options):
    return build_inventories(DATA, ShapeConditionOptions(**options), seed).draw(np.array(indices))


def test_the_columns_are_those_of_real_rows_and_a_pose():
    drawn = draw()
    for name in ("label", "piece", "part", "boxes", "size"):
        assert drawn[name].dtype == DATA.train[name].dtype and drawn[name].shape[1:] == DATA.train[name].shape[1:]
    assert len(PIECES) > len(PARTS) and drawn["boxes"].shape == (200, len(PIECES), 2, 3)
    assert (np.diff(drawn["piece"].astype(int), axis=1) >= 0).all()
    assert np.array_equal(np.array(PIECES)[drawn["piece"]], drawn["part"])
    assert drawn["yaw"].dtype == np.float32 and 0 <= drawn["yaw"].min() and drawn["yaw"].max() <= 2 * math.pi
    assert np.histogram(drawn["yaw"], 4, (0, 2 * math.pi))[0].min() > 25
    assert draw(range(0))["part"].shape == (0, 64)


@pytest.mark.parametrize("options", [{"parts": "real"}, {"parts": "vary", "size": "vary"}])
def test_a_row_depends_on_seed_and_index_alone(options):
    whole, part, other = draw(**options), draw([7, 50], **options), draw(seed=1, **options)
    assert all(np.array_equal(whole[name][[7, 50]], part[name]) for name in whole)
    assert all((whole[name] != other[name]).any() for name in whole)


def test_real_inventories_are_those_of_a_real_row_of_the_class():
    drawn = draw(parts="real")
    real = count_parts(DATA.train["piece"], len(PIECES))
    for label, counts, boxes in zip(
        drawn["label"], count_parts(drawn["piece"], len(PIECES)), drawn["boxes"], strict=True
    ):
        of_class = DATA.train["label"] == label
        assert ((real[of_class] == counts).all(1) & (DATA.train["boxes"][of_class] == boxes).all((1, 2, 3))).any()
    for k in range(len(CLASSES)):
        assert set(drawn["size"][drawn["label"] == k]) <= set(DATA.train["size"][DATA.train["label"] == k])


def test_varied_inventories_are_new_and_have_the_parts_of_a_real_row():
    drawn = draw(parts="vary", size="vary")
    counts = count_parts(drawn["part"], len(PARTS))
    for label, row, size in zip(drawn["label"], counts, drawn["size"], strict=True):
        real = REAL[DATA.train["label"] == label]
        kin = real[((real > 0) == (row > 0)).all(1)]
        assert len(kin) and (kin.min(0) - 1 <= row).all() and (row <= kin.max(0) + 1).all()
        sizes = DATA.train["size"][DATA.train["label"] == label]
        assert sizes.min() - 1e-6 <= size <= sizes.max() + 1e-6
    assert np.mean([(REAL == row).all(1).any() for row in counts]) < 0.5


def test_varied_boxes_are_new_and_framed_as_real_rows_are():
    drawn = draw(parts="vary")
    real = DATA.train["boxes"]
    there = count_parts(drawn["piece"], len(PIECES)) > 0
    for label, boxes, parts in zip(drawn["label"], drawn["boxes"], there, strict=True):
        assert (boxes[parts, 0] <= boxes[parts, 1]).all() and not boxes[~parts].any()
        low, high = boxes[parts, 0].min(0), boxes[parts, 1].max(0)
        np.testing.assert_allclose(low + high, 0, atol=1e-6)
        assert np.linalg.norm(high - low) / 2 == pytest.approx(1, abs=1e-6)
        assert (np.abs(real[DATA.train["label"] == label] - boxes).max((1, 2, 3)) > 1e-4).mean() > 0.5
    assert np.mean([(np.abs(real - row).max((1, 2, 3)) < 1e-4).any() for row in drawn["boxes"]]) < 0.2


def test_points_are_shared_out_in_whole_numbers_and_none_goes_without():
    draw = np.random.default_rng(0)
    for _ in range(200):
        exact = draw.dirichlet([0.3] * 6) * 57
        exact[:2] = 0
        exact *= 57 / exact.sum()
        there = exact > 0
        found = share_points(exact, there)
        assert found.sum() == 57 and (found[there] >= 1).all() and not found[~there].any()
        assert (found >= np.floor(exact) - 3).all() and (found <= np.ceil(exact) + 1).all()
        assert np.array_equal(share_points(found.astype(float), found > 0), found)


def test_boxes_move_and_stretch_with_the_box_around_them():
    legs = np.array([[[-1, -1, 0], [-0.8, -0.8, 1]], [[0.8, 0.8, 0], [1, 1, 1]]])
    old, new = np.array([[-1, -1, 0], [1, 1, 1]]), np.array([[0, 0, 0], [4, 1, 3]])
    found = move_boxes(legs, np.stack([old] * 2), np.stack([new] * 2))
    np.testing.assert_allclose(found, [[[0, 0, 0], [0.4, 0.1, 3]], [[3.6, 0.9, 0], [4, 1, 3]]])
    np.testing.assert_allclose(move_boxes(legs, np.stack([old] * 2), np.stack([old] * 2)), legs)
    flat = old * [1, 1, 0]
    assert np.isfinite(move_boxes(flat, flat, new)).all()


def test_required_parts_are_always_there():
    armrest = PARTS.index("armrest")
    usual, asked = (
        draw(balance={"chair": 1}, **options)["part"] == armrest
        for options in ({}, {"required": {"chair": ["armrest"]}})
    )
    assert 0.2 < usual.any(1).mean() < 0.8 and asked.any(1).all()


def test_without_a_pose_and_with_a_mix():
    drawn = draw(yaw="none", balance={"lamp": 3, "table": 1})
    assert (drawn["yaw"] == 0).all()
    assert np.bincount(drawn["label"], minlength=3).tolist() == pytest.approx([50, 0, 150], abs=3)


@pytest.mark.parametrize(
    ("required", "message"),
    [
        ({"chiar": ["seat"]}, "conditions.required: 'chiar' is not a class of the data; did you mean 'chair'?"),
        ({"chair": ["arm rest"]}, "conditions.required.chair: 'arm rest' is not a part; did you mean 'armrest'?"),
        (
            {"lamp": ["pole", "seat"]},
            "conditions.required: no training row of class 'lamp' has 'pole' and 'seat'; ask for fewer parts",
        ),
    ],
)
def test_what_cannot_be_required_is_told_in_a_sentence(required, message):
    with pytest.raises(UserError) as error:
        draw(required=required)
    assert str(error.value) == message


def test_a_class_without_rows_cannot_be_drawn():
    few = {name: values[DATA.train["label"] > 0] for name, values in DATA.train.items()}
    data = type(DATA)(few, {}, {}, CLASSES, DATA.origin, details=DATA.details)
    with pytest.raises(UserError, match="no training row is a 'table'"):
        build_inventories(data, ShapeConditionOptions(), 0)
    drawn = build_inventories(data, ShapeConditionOptions(balance="real"), 0).draw(np.arange(20))
    assert set(drawn["label"]) == {1, 2}
