from __future__ import annotations

import numpy as np
import pytest

from synthgen.soups import measure_areas, sample_surface
from synthgen.sources.furniture import (
    CLASSES,
    LEAST_POINTS,
    PARTS,
    PARTS_OF_CLASS,
    build_object,
    draw_objects,
    load_furniture,
)
from synthgen.sources.surfaces import (
    block,
    ellipse,
    lathe,
    lean,
    prism,
    rectangle,
    spin,
    stand,
    tube,
)

pytest.importorskip("trimesh")


def volume(soup: np.ndarray) -> float:
    """Of a closed soup, by the divergence theorem: positive only if the triangles look outwards."""
    return float(np.einsum("fx,fx->", soup[:, 0], np.cross(soup[:, 1], soup[:, 2])) / 6)


def polygon_area(sides: int, radius: float = 1.0) -> float:
    return sides / 2 * radius**2 * np.sin(2 * np.pi / sides)


def test_solids_have_the_volume_of_their_formula() -> None:
    assert volume(block((1, 2, 3), (2, 4, 6))) == pytest.approx(6)
    assert volume(lathe([(2.0, 0.0), (2.0, 3.0)], 16)) == pytest.approx(3 * polygon_area(16, 2.0))
    assert volume(lathe([(2.0, 0.0), (1.0, 3.0)], 400)) == pytest.approx(np.pi * (4 + 2 + 1), rel=1e-3)
    assert volume(prism(ellipse(2, 4, 300), 0, 5)) == pytest.approx(np.pi * 2 * 5, rel=1e-3)
    assert volume(prism(rectangle(2, 2, 0.5, 60), -1, 1)) == pytest.approx(2 * (4 - (4 - np.pi) * 0.25), rel=1e-3)
    path = np.array([(0, 0, 0), (1, 2, 2)], float)
    assert volume(tube(path, 0.1, 12)) == pytest.approx(3 * polygon_area(12, 0.1))


def test_a_bevel_only_takes_away() -> None:
    sharp, bevelled = prism(rectangle(2, 1), 0, 1), prism(rectangle(2, 1), 0, 1, 0.1)
    assert 0.9 * volume(sharp) < volume(bevelled) < volume(sharp)
    assert np.allclose(np.ptp(bevelled, axis=(0, 1)), np.ptp(sharp, axis=(0, 1)))


def test_turns_keep_the_volume_and_go_the_stated_way() -> None:
    soup = block((0, 0, 0), (1, 2, 3))
    for turned in (spin(soup, 0.7), lean(soup, 0.4, (1, 1, 0)), stand(soup)):
        assert volume(turned) == pytest.approx(6)
    assert np.allclose(spin(np.array([[[1.0, 0, 0]] * 3]), np.pi / 2)[0, 0], (0, 1, 0))
    assert lean(np.array([[[0.0, 0, 1]] * 3]), 0.5, (0, 0, 0))[0, 0, 1] > 0  # the top goes backwards, to +y
    assert np.allclose(stand(np.array([[[0.0, 0, 1]] * 3]))[0, 0], (0, -1, 0))


def test_points_lie_on_their_triangle_and_are_spread_by_area() -> None:
    generator = np.random.default_rng(0)
    soup = block((0, 0, 0), (1, 2, 3))
    side = np.abs(np.cross(soup[:, 1] - soup[:, 0], soup[:, 2] - soup[:, 0])).argmax(1)
    points, owner = sample_surface(soup, side, 4000, generator)
    shares = np.bincount(owner) / 4000
    assert np.allclose(shares, np.array([6, 3, 2]) / 11, atol=1 / 4000)
    for axis, extent in enumerate((1, 2, 3)):
        places = points[owner == axis][:, axis]
        assert np.minimum(np.abs(places), np.abs(places - extent)).max() < 1e-12
    face = points[(owner == 2) & (points[:, 2] > 1.5)]
    counts, _, _ = np.histogram2d(face[:, 0], face[:, 1], bins=2, range=((0, 1), (0, 2)))
    assert counts.min() > 0.7 * len(face) / 4


def test_a_tiny_part_gets_its_least_number_of_points() -> None:
    soup = np.concatenate([block((0, 0, 0), (1, 1, 1)), block((2, 0, 0), (2.001, 0.001, 0.001))])
    owner = np.repeat([0, 5], len(soup) // 2)
    points, owners = sample_surface(soup, owner, 256, np.random.default_rng(0), least=8)
    assert np.bincount(owners, minlength=6).tolist() == [248, 0, 0, 0, 0, 8]
    assert (points[owners == 5][:, 0] >= 2).all()


@pytest.mark.parametrize("name", CLASSES)
def test_objects_are_closed_stand_on_the_ground_and_have_only_their_parts(name: str) -> None:
    for seed in range(25):
        pieces = build_object(name, np.random.default_rng(seed))
        assert {part for part, _ in pieces} <= set(PARTS_OF_CLASS[name])
        assert all(mesh.is_watertight and mesh.volume > 0 for _, mesh in pieces)
        assert abs(min(mesh.bounds[0][2] for _, mesh in pieces)) < 0.015
        low = np.min([mesh.bounds[0] for _, mesh in pieces], 0)
        high = np.max([mesh.bounds[1] for _, mesh in pieces], 0)
        assert 0.05 < (high - low).max() < 6  # metres


def test_backs_are_at_the_back() -> None:
    for name, part in (("chair", "backrest"), ("sofa", "backrest"), ("bed", "pillow"), ("shelf", "back")):
        for seed in range(20):
            pieces = build_object(name, np.random.default_rng(seed))
            whole = np.concatenate([mesh.vertices for _, mesh in pieces])
            backs = [mesh.vertices for which, mesh in pieces if which == part]
            if backs:
                assert np.concatenate(backs)[:, 1].mean() > (whole[:, 1].min() + whole[:, 1].max()) / 2


def test_rows_are_in_their_own_frame_and_every_part_has_its_points() -> None:
    columns = draw_objects(64, 1024, 0, "test")
    points = columns["points"]
    assert points.dtype == np.float32 and points.shape == (64, 1024, 3) and columns["part"].dtype == np.uint8
    assert np.allclose(points.min(1) + points.max(1), 0, atol=1e-5)
    assert np.allclose(np.linalg.norm(points.max(1) - points.min(1), axis=1) / 2, 1, atol=1e-5)
    assert np.array_equal(columns["label"], np.arange(64) % len(CLASSES))
    for row in range(64):
        allowed = {PARTS.index(part) for part in PARTS_OF_CLASS[CLASSES[columns["label"][row]]]}
        counts = np.bincount(columns["part"][row])
        assert set(np.flatnonzero(counts)) <= allowed and counts[counts > 0].min() >= LEAST_POINTS
    metres = points * columns["size"][:, None, None] + columns["center"][:, None]
    assert np.abs(metres[..., 2].min(1)).max() < 0.12  # a foot may have few points
    heights = {name: np.ptp(metres[columns["label"] == number][..., 2], axis=1) for number, name in enumerate(CLASSES)}
    assert heights["mug"].max() < 0.2 and heights["car"].min() > 1.0


def test_a_row_depends_on_the_seed_and_its_index_alone() -> None:
    few, many = draw_objects(9, 256, 5, "test"), draw_objects(20, 256, 5, "test")
    assert all(few[name].tobytes() == many[name][:9].tobytes() for name in few)
    for other in (draw_objects(9, 256, 6, "test"), draw_objects(9, 256, 5, "another")):
        assert not np.array_equal(few["points"], other["points"])


def test_objects_of_a_class_differ() -> None:
    columns = draw_objects(len(CLASSES) * 20, 256, 0, "test")
    boxes = columns["points"].max(1)
    for number in range(len(CLASSES)):
        rows = columns["label"] == number
        assert np.std(columns["size"][rows]) / np.mean(columns["size"][rows]) > 0.05
        assert boxes[rows].std(0).max() > 0.02
    chairs = columns["part"][columns["label"] == CLASSES.index("chair")]
    armrests = (chairs == PARTS.index("armrest")).any(1)
    assert 0 < armrests.sum() < len(armrests)


def test_validation_and_held_out_objects_do_not_depend_on_the_seed() -> None:
    one, two = load_furniture(16, 256, 0), load_furniture(24, 256, 1)
    assert [len(part["label"]) for part in (two.train, two.validation, two.heldout)] == [24, 200, 400]
    for part in ("validation", "heldout"):
        assert getattr(one, part)["points"].tobytes() == getattr(two, part)["points"].tobytes()
    assert one.train["points"].tobytes() != two.train["points"][:16].tobytes()
    assert not np.array_equal(one.validation["points"][:16], one.heldout["points"][:16])


def test_areas_of_triangles() -> None:
    assert measure_areas(np.array([[[0.0, 0, 0], [3, 0, 0], [0, 4, 0]]])).tolist() == [6.0]
