"""Pairs of texts become tokens in whole blocks, either side may lead, and what is known stays as it is."""

import numpy as np
import pytest
import torch

from synthgen.codecs.pairs import fit_pair_codec
from synthgen.codecs.tokens import BLOCK, LONGEST, Frame, Segment, Told, describe_texts, find_room, pack
from synthgen.slots import NAME, Names, code_value
from synthgen.types import Data, Origin, as_objects, count_rows, take_rows
from synthgen.vocabulary import END, FIRST, PAD

MONTHS = (("March", "März"), ("May", "Mai"), ("June", "Juni"))
PLACES = (("Germany", "Deutschland"), ("Italy", "Italien"))


def make_rows(count):
    rows = [
        (f"{m} {d}, {1900 + d} in {p}", f"{d}. {n} {1900 + d} in {q}")
        for d in range(1, 29)
        for m, n in MONTHS
        for p, q in PLACES
    ][:count]
    source, target = (as_objects([row[k] for row in rows]) for k in (0, 1))
    return {"source": source, "target": target, "label": np.zeros(count, np.int64)}


@pytest.fixture(scope="module")
def codec():
    rows = make_rows(120)
    origin = Origin("x", "x", "x", "x", "x")
    return fit_pair_codec(Data(rows, take_rows(rows, slice(9)), rows, ("any",), origin), Names.of(PLACES), 300, 8)


def test_slots_stand_first_then_the_leading_side_then_the_other(codec):
    rows = {**make_rows(1), "lead": np.array([1])}
    x, condition = codec.encode(rows)[0].tolist(), codec.condition(rows)
    assert x[:3] == [FIRST, FIRST + 1, FIRST + 2]
    assert condition["segment"][0, :4].tolist() == [-1, -1, -1, 0] and condition["label"].tolist() == [1]
    assert condition["value"][0, :3].tolist() == [code_value("1"), code_value("1901"), NAME]
    values = next(codec.frames(rows)).values
    first, second = codec.vocabulary.decode(x[3:], values, side=1), condition["segment"][0] == 1
    assert first == rows["target"][0]
    assert codec.vocabulary.decode(codec.encode(rows)[0][second].tolist(), values, side=0) == rows["source"][0]


def test_every_row_is_seen_with_either_side_first(codec):
    views = codec.views(make_rows(5))
    assert count_rows(views) == 10 and views["lead"].tolist() == [0] * 5 + [1] * 5


def test_what_is_given_is_known_and_what_is_written_is_decoded(codec):
    rows, nothing = make_rows(4), np.full(4, None, object)
    asked = {**rows, "target": nothing, "lead": np.zeros(4, np.int64)}
    known = codec.condition(asked)["known"]
    segment = codec.condition(asked)["segment"]
    assert (known[segment == 1] == -1).all() and (known[segment == 0] >= 0).all()
    right = codec.encode({**rows, "lead": np.zeros(4, np.int64)})
    x = torch.zeros_like(known)  # what follows has more room than it needs
    x[:, : right.shape[1]] = right
    found = codec.decode(x, asked)
    assert found["target"].tolist() == rows["target"].tolist() and found["source"].tolist() == rows["source"].tolist()


def test_new_pairs_take_values_from_what_the_generator_says(codec):
    rows = make_rows(2)
    new = {
        "label": np.zeros(2, np.int64), "lead": np.zeros(2, np.int64), "source": np.full(2, None, object),
        "target": np.full(2, None, object), "like": rows["source"], "keep": np.array([0.0, 0.5]),
        "values": as_objects([("7", "1950", PLACES[1])] * 2), "dice": np.array([3, 4]),
    }  # fmt: skip
    condition = codec.condition(new)
    assert condition["value"][0, :3].tolist() == [code_value("7"), code_value("1950"), NAME]
    lead = condition["segment"] == 0
    assert (condition["known"][0][lead[0]] == -1).all()  # nothing is kept
    kept = condition["known"][1][lead[1]]
    assert (kept == -1).any() and (kept >= 0).any()  # a half is kept
    assert int(lead[0].sum()) == codec.rooms[0] and int((condition["segment"][0] == 1).sum()) == codec.rooms[1]
    tokens = torch.zeros_like(condition["known"])
    tokens[:, : codec.encode(rows).shape[1]] = codec.encode({**rows, "lead": new["lead"]})
    decoded = codec.decode(tokens, {**new, "source": np.full(2, None, object)})
    assert decoded["source"][0].startswith("March 7, 1950 in Italy")


def test_widths_grow_in_steps_and_rooms_are_whole_blocks(codec):
    rows = make_rows(60)
    widths = codec.widths(rows)
    assert (widths % 8 == 0).all() and widths.max() <= codec.shape[0]
    assert find_room(0) == find_room(BLOCK - 1) == BLOCK and find_room(BLOCK) == 2 * BLOCK
    with pytest.raises(ValueError, match="512 tokens are more than the 511 that a text may have"):
        find_room(LONGEST + 1)


def test_frames_are_filled_up_and_partly_known():
    frame = Frame((Told(FIRST, 5),), (Segment(4, (20, None, END)), Segment(4, (), 7)), 3)
    packed = pack([frame], 16)
    assert packed.x[0].tolist() == [FIRST, 20, PAD, END, PAD, *[PAD] * 11]
    assert packed.condition["known"][0, :9].tolist() == [FIRST, 20, -1, END, PAD, -1, -1, -1, -1]
    assert packed.condition["segment"][0].tolist() == [-1, 0, 0, 0, 0, 1, 1, 1, 1, *[-1] * 7]
    assert packed.condition["value"][0].tolist() == [5, 0, 0, 0, 0, 7, 7, 7, 7, *[0] * 7]
    assert frame.width == 16 and frame.spans() == [slice(1, 5), slice(5, 9)]


def test_equal_texts_have_equal_descriptors_and_others_not():
    found = describe_texts(["March 3", "March 3", "March 4", ""])
    assert np.array_equal(found[0], found[1]) and 0 < np.linalg.norm(found[0] - found[2]) < 1
    assert found.dtype == np.float32 and found.shape == (4, 256) and not found[3].any()


def test_what_the_tensors_mean_stands_beside_the_model(codec):
    files = codec.files()
    assert set(files) == {"tokenizer.json", "codec.json"} and "Deutschland" in files["codec.json"]
