"""Distances between sets of clouds, each against the plain formula, and what they say of sets that are known."""

import itertools
import math

import numpy as np
import pytest
from scipy.spatial.distance import cdist
from solids import make_rows

from synthgen.evaluation.shape_measures import (
    MEANINGS,
    bound_mover,
    compare_part_counts,
    compare_shapes,
    draw_points,
    judge_neighbours,
    measure_mover,
    pair_rows,
    search_chamfer,
    search_mover,
)
from synthgen.types import Data, Origin

DRAW = np.random.default_rng(0)
CLOUDS = (DRAW.normal(size=(12, 20, 3)) * DRAW.uniform(0.5, 1, (12, 1, 3))).astype(np.float32)


def nearest(apart):
    np.fill_diagonal(apart, np.inf)
    sides = np.split(apart, 2, axis=1)
    return np.stack([side.min(1) for side in sides], 1), np.stack([side.argmin(1) for side in sides], 1)


def test_chamfer_neighbours_are_those_of_the_plain_formula():
    apart = np.array(
        [[(cdist(a, b) ** 2).min(0).mean() + (cdist(a, b) ** 2).min(1).mean() for b in CLOUDS] for a in CLOUDS]
    )
    found = search_chamfer(CLOUDS)
    distance, index = nearest(apart)
    assert found.distance == pytest.approx(distance, rel=1e-4) and np.array_equal(found.nearest, index)


def test_the_earth_mover_finds_the_best_of_all_assignments():
    one, other = CLOUDS[0, :6], CLOUDS[1, :6]
    best = min(np.linalg.norm(one - other[list(order)], axis=1).mean() for order in itertools.permutations(range(6)))
    assert measure_mover(one, other) == pytest.approx(best)


def test_earth_mover_neighbours_are_right_though_few_assignments_are_solved(monkeypatch):
    apart = np.array([[measure_mover(a, b) for b in CLOUDS] for a in CLOUDS])
    bound = bound_mover(CLOUDS)
    assert (bound[~np.eye(12, dtype=bool)] <= apart[~np.eye(12, dtype=bool)] + 1e-9).all()
    shifts = CLOUDS[:1] + np.arange(12)[:, None, None].astype(np.float32)  # of these the bound knows nearly everything
    solved = []
    monkeypatch.setattr(
        "synthgen.evaluation.shape_measures.measure_mover", lambda a, b: solved.append(0) or measure_mover(a, b)
    )
    found, far = search_mover(CLOUDS), search_mover(shifts)
    distance, index = nearest(apart)
    assert found.distance == pytest.approx(distance) and np.array_equal(found.nearest, index)
    assert far.nearest[0].tolist() == [1, 0] and len(solved) < 66 + 30


def test_sets_that_are_alike_apart_or_collapsed():
    real, alike = np.random.default_rng(1).normal(size=(2, 60, 8, 3)).astype(np.float32)
    same = judge_neighbours(search_chamfer, real, alike)
    assert same["one_nna"] == pytest.approx(0.5, abs=0.15) and same["coverage"] > 0.3
    away = judge_neighbours(search_chamfer, real, alike + 9)
    assert away["one_nna"] == 1 and away["mmd"] > 50 * same["mmd"]
    copies = judge_neighbours(search_chamfer, real, real)
    assert copies["one_nna"] == 0 and copies["coverage"] == 1 and copies["mmd"] == pytest.approx(0, abs=1e-5)
    single = judge_neighbours(search_chamfer, real, np.repeat(alike[:1], 60, 0))
    assert single["coverage"] == pytest.approx(1 / 60)
    assert all(map(math.isnan, judge_neighbours(search_chamfer, real[:1], alike[:1]).values()))


def test_every_class_gives_as_many_rows_of_both_sets():
    real, made = np.repeat([0, 1, 2], [40, 20, 5]), np.repeat([0, 1, 3], [10, 30, 9])
    one, other = pair_rows(real, made, 100, np.random.default_rng(0))
    assert np.bincount(real[one]).tolist() == np.bincount(made[other]).tolist() == [10, 20]
    assert len(set(one)) == len(set(other)) == 30
    one, other = pair_rows(real, made, 12, np.random.default_rng(0))
    assert np.bincount(real[one]).tolist() == np.bincount(made[other]).tolist() == [4, 8]


def test_points_are_drawn_without_regard_to_their_order():
    clouds = np.arange(100, dtype=np.float32).reshape(1, 100, 1).repeat(3, 2).repeat(50, 0)
    drawn = draw_points(clouds, 30, np.random.default_rng(0))
    assert drawn.shape == (50, 30, 3) and all(len(set(row[:, 0])) == 30 for row in drawn)
    assert drawn[..., 0].mean() == pytest.approx(49.5, abs=3)


def test_joined_pieces_make_a_difference_of_one():
    square = np.stack(np.meshgrid(np.arange(7), np.arange(7), [0]), -1).reshape(-1, 3).astype(np.float32)
    points = np.concatenate([square, square + [0, 50, 0], [[300, 0, 0]], square + 20])[None]
    part = np.repeat([0, 0, 0, 2], [49, 49, 1, 49])[None]
    joined = np.concatenate([square, square + [0, 7, 0], [[300, 0, 0]], square + 20])[None]
    real, made = ({"points": p, "part": part, "label": np.zeros(1, int)} for p in (points, joined))
    assert compare_part_counts(real, made) == 0.5  # two pieces for one, and one for one
    assert compare_part_counts(real, real) == 0


def test_the_whole_comparison_repeats_itself_and_tells_noise(monkeypatch):
    monkeypatch.setattr("synthgen.evaluation.shape_measures.MOVER_POINTS", 64)
    data = Data({}, {}, {}, ("table", "chair", "lamp"), Origin("x", "x", "x", "x", "x"))
    real, alike = (make_rows(36, 256, seed=seed) for seed in (0, 1))
    noise = np.random.default_rng(0).normal(0, 0.2, alike["points"].shape).astype(np.float32)
    noisy = {**alike, "points": alike["points"] + noise}
    one, two, bad = (compare_shapes(real, rows, data, 0) for rows in (alike, alike, noisy))
    assert set(one) == set(MEANINGS)
    assert one == two and one["rows_chamfer"] == one["rows_emd"] == 36
    for kind in ("chamfer", "emd"):
        assert one[f"one_nna_{kind}"] < 0.7 < bad[f"one_nna_{kind}"]
        assert one[f"mmd_{kind}"] < bad[f"mmd_{kind}"]
    assert one["part_count_difference"] < 0.5
