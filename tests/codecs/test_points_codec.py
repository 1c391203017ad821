"""Clouds to ordered sequences and back: the order, the condition, and descriptors that tell copies."""

import numpy as np
import pytest
import torch
from solids import CLASSES, PARTS, make_rows, make_solids

from synthgen.boxes import bound_parts, split_boxes
from synthgen.codecs.points import BITS, FLAT, curve, fit_points_codec, load_points_codec, order_points
from synthgen.types import take_rows

DATA = make_solids(90, 256)
ROWS, PIECES = DATA.train, DATA.details["pieces"]


@pytest.fixture(scope="module")
def codec():
    return fit_points_codec(ROWS, PIECES)


def inside(rows):
    """Points in half sides of their piece's box."""
    middle, half = split_boxes(rows["boxes"])
    row = np.arange(len(rows["piece"]))[:, None]
    return (rows["points"] - middle[row, rows["piece"]]) / np.maximum(half[row, rows["piece"]], FLAT)


def shuffled(rows):
    draw = np.random.default_rng(3)
    order = draw.permuted(np.tile(np.arange(256), (len(rows["label"]), 1)), axis=1)
    part, piece = (np.take_along_axis(rows[name], order, 1) for name in ("part", "piece"))
    return {**rows, "points": np.take_along_axis(rows["points"], order[..., None], 1), "part": part, "piece": piece}


def test_the_curve_goes_through_every_cell_in_single_steps():
    place = curve()
    assert np.array_equal(np.sort(place), np.arange(8**BITS))
    cells = np.stack(np.unravel_index(np.argsort(place), (1 << BITS,) * 3), 1)
    assert (np.abs(np.diff(cells, axis=0)).sum(1) == 1).all()  # what makes it Hilbert's and not Morton's


def test_points_stand_by_piece_and_near_their_neighbours():
    order = order_points(inside(ROWS), ROWS["piece"])
    piece, part = (np.take_along_axis(ROWS[name], order, 1) for name in ("piece", "part"))
    assert (np.diff(piece.astype(int), axis=1) >= 0).all() and (np.diff(part.astype(int), axis=1) >= 0).all()
    assert np.array_equal(np.sort(order, 1), np.tile(np.arange(256), (30, 1)))
    points = np.take_along_axis(ROWS["points"], order[..., None], 1)
    same = piece[:, 1:] == piece[:, :-1]
    ordered = np.linalg.norm(np.diff(points, axis=1), axis=2)[same].mean()
    by_piece = np.take_along_axis(ROWS["points"], np.argsort(ROWS["piece"], 1, kind="stable")[..., None], 1)
    assert ordered < 0.5 * np.linalg.norm(np.diff(by_piece, axis=1), axis=2)[same].mean()


def test_the_four_legs_of_every_table_come_one_after_the_other_in_the_same_order():
    rows = make_solids(60, 2048).train
    tables = take_rows(rows, rows["label"] == CLASSES.index("table"))
    order = order_points(inside(tables), tables["piece"])
    points = np.take_along_axis(tables["points"], order[..., None], 1)
    part = np.take_along_axis(tables["part"], order, 1)
    found = []
    for xyz, numbers in zip(points, part, strict=True):
        quarter = (xyz[numbers == PARTS.index("leg")][:, :2] > 0) @ [2, 1]
        ends = np.flatnonzero(np.diff(quarter, append=-1))
        found.append([quarter[end] for end in ends])
    assert all(sorted(order) == [0, 1, 2, 3] for order in found)
    assert all(order == found[0] for order in found)


def test_what_is_encoded_comes_back_in_the_order_of_the_codec(codec):
    x = codec.encode(ROWS)
    assert x.dtype == torch.float32 and x.shape == (30, *codec.shape) == (30, 256, 3)
    assert 0.5 < float(x.std()) < 2
    back = codec.decode(x, ROWS)
    order = order_points(inside(ROWS), ROWS["piece"])
    np.testing.assert_allclose(back["points"], np.take_along_axis(ROWS["points"], order[..., None], 1), atol=1e-6)
    assert np.array_equal(back["part"], np.take_along_axis(ROWS["part"], order, 1))
    assert np.array_equal(back["size"], ROWS["size"])


def test_points_are_told_apart_by_half_sides_of_their_pieces_box(codec):
    x = codec.encode(ROWS).numpy() / codec.scale
    piece = codec.decode(codec.encode(ROWS), ROWS)["piece"]
    assert np.abs(x).max() <= 1 + 1e-5
    for k in range(len(PIECES)):
        own = x[piece == k]
        assert not len(own) or np.allclose([own.min(0), own.max(0)], [[-1] * 3, [1] * 3], atol=1e-4)


def test_points_fill_the_boxes_that_are_asked_for_and_never_leave_them(codec):
    boxes = ROWS["boxes"] * np.float32(0.5)
    asked = {**{name: ROWS[name] for name in ("label", "piece", "size")}, "boxes": boxes}
    x = codec.encode(ROWS) + 0.3 * torch.randn(30, 256, 3, generator=torch.Generator().manual_seed(0))
    drawn = codec.decode(x, asked)
    found = bound_parts(drawn["points"], drawn["piece"], len(PIECES))
    there = found[:, :, 0].any(2)
    assert (found[:, :, 0] >= boxes[:, :, 0] - 1e-6).all() and (found[:, :, 1] <= boxes[:, :, 1] + 1e-6).all()
    reached = (found[:, :, 1] - found[:, :, 0])[there] / np.maximum((boxes[:, :, 1] - boxes[:, :, 0])[there], 1e-6)
    assert np.median(reached) > 0.95


def test_a_flat_part_stays_flat(codec):
    squash = np.array([1, 1, 0], np.float32)
    flat = {**ROWS, "points": ROWS["points"] * squash, "boxes": ROWS["boxes"] * squash}
    x = codec.encode(flat)
    assert torch.isfinite(x).all()
    assert (codec.decode(x + 1, flat)["points"][..., 2] == 0).all()


def test_the_order_of_the_real_points_does_not_matter(codec):
    mixed = shuffled(ROWS)
    one, two = (np.sort(codec.encode(rows).numpy(), 1) for rows in (mixed, ROWS))
    assert np.array_equal(one, two)
    np.testing.assert_allclose(codec.describe(mixed), codec.describe(ROWS), atol=1e-6)


def test_the_net_is_told_class_parts_and_size(codec):
    told = codec.condition(ROWS)
    assert {name: (value.dtype, tuple(value.shape)) for name, value in told.items()} == {
        "label": (torch.int64, (30,)),
        "elements": (torch.float32, (30, 256, codec.told)),
        "vector": (torch.float32, (30, 1)),
    }
    named = told["elements"][..., : len(PARTS)]
    assert np.array_equal(named.argmax(2).numpy(), codec.decode(codec.encode(ROWS), ROWS)["part"])
    assert float(named.sum(2).min()) == float(named.sum(2).max()) == 1
    assert float(told["elements"].abs().max()) < 5
    assert float(told["vector"].mean()) == pytest.approx(0, abs=1e-5)
    assert float(told["vector"].std(correction=0)) == pytest.approx(1, abs=1e-5)
    drawn = {name: ROWS[name] for name in ("label", "piece", "boxes", "size")}
    assert all(torch.equal(value, told[name]) for name, value in codec.condition(drawn).items())


def test_rows_of_one_size_do_not_divide_by_zero():
    rows = {**ROWS, "size": np.ones(30, np.float32)}
    assert fit_points_codec(rows, PIECES).condition(rows)["vector"].abs().max() == 0


def test_another_sampling_of_an_object_is_nearer_than_other_objects(codec):
    one, other = (codec.describe(make_rows(60, 1024, again=again)) for again in (0, 1))
    assert one.dtype == np.float32 and one.shape[1] <= 256
    apart = np.linalg.norm(other[:, None] - one[None], axis=2)
    assert (apart.argmin(1) == np.arange(60)).mean() > 0.9


def test_descriptors_stay_short_with_many_parts_and_do_not_depend_on_the_company(codec):
    many = fit_points_codec(ROWS, tuple(range(200)))
    assert many.describe(ROWS).shape[1] <= 256
    np.testing.assert_array_equal(codec.describe(take_rows(ROWS, slice(3, 5))), codec.describe(ROWS)[3:5])


def test_a_codec_is_read_back(codec, tmp_path):
    codec.save(tmp_path / "codec.json")
    assert load_points_codec(tmp_path / "codec.json") == codec
