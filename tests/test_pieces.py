"""Parts fall into the pieces that hang together, numbered by where they stand; strays and too many do not count."""

import numpy as np
from solids import CLASSES, PARTS, make_solids

from synthgen.labels.pieces import add_pieces
from synthgen.pieces import MOST, choose_limits, count_pieces, find_pieces, split_part
from synthgen.types import Data

SQUARE = np.stack(np.meshgrid(np.arange(7), np.arange(7), [0]), -1).reshape(-1, 3).astype(np.float32)


def test_a_part_falls_into_pieces_and_strays_join_the_nearest():
    points = np.concatenate([SQUARE + [0, 50, 0], SQUARE, [[0, 90, 0]]])
    assert np.array_equal(split_part(points), np.repeat([1, 0, 1], [49, 49, 1]))
    assert np.array_equal(split_part(points[::-1]), np.repeat([1, 0, 1], [1, 49, 49]))
    assert not split_part(points[:2]).any() and not split_part(SQUARE).any() and not split_part(SQUARE * 0).any()


def test_pieces_are_numbered_from_below_upwards_and_left_to_right():
    posts = np.random.default_rng(0).uniform(-0.02, 0.02, (4, 60, 3)) + np.array(
        [[0.5, 0.5, 0.03], [-0.5, 0.5, 0], [0.5, -0.5, 0], [-0.5, -0.5, 0.02]]
    ).reshape(4, 1, 3)
    above = posts[:1] + [0, 0, 0.9]
    own = split_part(np.concatenate([above, posts]).reshape(-1, 3)).reshape(5, 60)
    assert (own == own[:, :1]).all() and own[:, 0].tolist() == [4, 3, 1, 2, 0]


def test_pieces_are_counted_by_row_and_part():
    points = np.concatenate([SQUARE, SQUARE + [0, 50, 0], SQUARE + 20])[None]
    part = np.repeat([0, 0, 2], 49)[None]
    piece = find_pieces(points, part)
    assert count_pieces(part, piece, 3).tolist() == [[2, 0, 1]]
    assert find_pieces(points[:0], part[:0]).shape == (0, 147)


def test_a_part_in_too_many_pieces_is_one():
    counts = np.array([[1, 4, MOST + 1, 0]] * 150 + [[2, 3, 1, 0]] * 50 + [[5, 0, 1, 0]])
    assert choose_limits(counts, room=255) == (2, 4, MOST, 1)
    assert choose_limits(counts, room=14) == (1, 1, 1, 1)
    assert choose_limits(counts[:0], room=255) == (1, 1, 1, 1)


def test_rows_get_their_pieces_and_boxes_around_them():
    data = make_solids(90, 2048)
    pieces = data.details["pieces"]
    assert [pieces.count(PARTS.index(name)) for name in ("leg", "top", "armrest")] == [4, 1, 2]
    for rows in (data.train, data.validation, data.heldout):
        assert rows["piece"].dtype == np.uint8 and np.array_equal(np.array(pieces)[rows["piece"]], rows["part"])
        at = np.arange(len(rows["piece"]))[:, None], rows["piece"]
        boxes = rows["boxes"][at]
        assert (rows["points"] >= boxes[..., 0, :]).all() and (rows["points"] <= boxes[..., 1, :]).all()
    table = data.train["piece"][data.train["label"] == CLASSES.index("table")]
    assert {len(np.unique(row)) for row in table} == {5}


def test_what_training_rows_do_not_have_is_one_piece():
    data = make_solids(90, 512)
    whole = {name: values[data.train["label"] == CLASSES.index("lamp")] for name, values in data.train.items()}
    few = add_pieces(Data(whole, data.validation, data.heldout, CLASSES, data.origin, details=data.details))
    assert few.details["pieces"] == tuple(range(len(PARTS)))
    assert np.array_equal(few.heldout["piece"], few.heldout["part"])
