from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synthgen.errors import UserError
from synthgen.sources import ImageSourceOptions
from synthgen.sources.splits import choose_rows, rarest_class, seeded, share_out, split_rows


def names(count: int) -> list[bytes]:
    return [str(number).encode() for number in range(count)]


def options(**fields: object) -> ImageSourceOptions:
    return ImageSourceOptions.model_validate({"kind": "files", "path": "x", **fields})


def all_train(count: int) -> np.ndarray:
    return np.array(["train"] * count, dtype=object)


@settings(max_examples=80, deadline=None)
@given(st.lists(st.integers(0, 60), min_size=1, max_size=12), st.integers(0, 400))
def test_shares_are_exact_and_in_proportion(limits: list[int], count: int) -> None:
    limit = np.array(limits)
    quotas = share_out(limit, count)
    assert quotas.sum() == min(count, limit.sum())
    assert (quotas <= limit).all() and (quotas >= 0).all()
    if count >= len(limits):
        assert (quotas[limit > 0] > 0).all()
        if limit.sum():
            assert (quotas <= np.ceil(limit * count / limit.sum()) + 1).all()


def test_chosen_rows_keep_classes_in_proportion_and_leave_one() -> None:
    strata = np.repeat([0, 1, 2], [100, 10, 1])
    chosen = choose_rows(strata, 22, seeded(0), leave=1)
    assert chosen.sum() == 22
    assert [int(chosen[strata == k].sum()) for k in range(3)] == [20, 2, 0]


def test_held_out_rows_do_not_depend_on_the_seed() -> None:
    strata = np.arange(200) % 5
    one, two = (split_rows(all_train(200), strata, names(200), options(), seed=seed, rows=50).part for seed in (1, 2))
    assert ((one == "heldout") == (two == "heldout")).all()
    assert ((one == "validation") == (two == "validation")).all()
    assert ((one == "train") != (two == "train")).any()
    assert [(one == part).sum() for part in ("heldout", "validation", "train")] == [40, 16, 50]


def test_own_parts_are_kept_and_validation_is_carved_from_train() -> None:
    part = np.array(["train"] * 50 + ["heldout"] * 20, dtype=object)
    split = split_rows(part, np.zeros(70, int), names(70), options(), seed=0)
    assert (split.part[50:] == "heldout").all()
    assert (split.part == "validation").sum() == 5
    assert "own test part" in split.sentence


def test_validation_has_at_most_2000_rows() -> None:
    split = split_rows(all_train(50_000), np.arange(50_000) % 10, names(50_000), options(), seed=0)
    assert (split.part == "validation").sum() == 2000


def test_copies_of_train_rows_leave_the_other_parts() -> None:
    part = np.array(["train"] * 6 + ["validation"] * 3 + ["heldout"] * 3, dtype=object)
    digests = [*names(6), b"0", b"v", b"h2", b"5", b"h", b"h2"]
    split = split_rows(part, np.zeros(12, int), digests, options(), seed=0)
    assert list(split.part[6:]) == ["", "validation", "validation", "", "heldout", ""]
    assert any("2 heldout rows were left out" in note for note in split.notes)
    assert any("1 validation row was left out" in note for note in split.notes)


def test_held_out_rows_are_compared_with_images_that_are_not_used() -> None:
    digests = [*names(10), b"3", b"new"]
    part = np.array(["train"] * 10 + ["heldout"] * 2, dtype=object)
    for seed in range(5):
        split = split_rows(part, np.zeros(12, int), digests, options(), seed=seed, images=2)
        assert list(split.part[10:]) == ["", "heldout"]


def test_images_caps_what_is_used_and_validation_comes_out_of_it() -> None:
    split = split_rows(all_train(100), np.zeros(100, int), names(100), options(), seed=0, images=10)
    assert [(split.part == part).sum() for part in ("train", "validation", "heldout")] == [9, 1, 20]
    assert "10 of 80 images are used" in " ".join(split.notes)


def test_fewer_rows_than_classes_are_refused() -> None:
    with pytest.raises(UserError, match=r"source\.rows: 3 is fewer than the 5 classes"):
        split_rows(all_train(100), np.arange(100) % 5, names(100), options(), seed=0, rows=3)


@pytest.mark.parametrize("count", [1, 2])
def test_too_few_rows_to_split_are_refused(count: int) -> None:
    with pytest.raises(UserError, match=f"out of {count} usable row"):
        split_rows(all_train(count), np.zeros(count, int), names(count), options(), seed=0)


def test_held_out_of_copies_alone_is_refused() -> None:
    part = np.array(["train"] * 6 + ["heldout"], dtype=object)
    with pytest.raises(UserError, match="no row is left for heldout out of 7 usable rows"):
        split_rows(part, np.zeros(7, int), [*names(6), b"2"], options(), seed=0)


def test_an_image_belongs_to_its_rarest_class() -> None:
    presence = np.array([[1, 0, 0], [1, 1, 0], [1, 1, 1], [1, 0, 0], [0, 0, 0]], bool)
    assert list(rarest_class(presence)[:4]) == [0, 1, 2, 0]


def test_streams_and_seeds_differ() -> None:
    draws = {(seed, stream): tuple(seeded(seed, stream).integers(0, 2**30, 3)) for seed in (0, 1) for stream in (0, 1)}
    assert len(set(draws.values())) == 4
    assert draws[0, 1] == tuple(seeded(0, 1).integers(0, 2**30, 3))
