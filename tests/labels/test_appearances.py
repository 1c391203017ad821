"""Appearances of drawn rows lie between those of similar real rows, go with the mask, and are repeatable."""

import numpy as np
import pytest

from synthgen.labels.appearances import MasksWithAppearance, fill_gaps


class Masks:
    """Row i is all of class i % 2; with `like`, made out of real row i % 40."""

    def __init__(self, like: bool) -> None:
        self.like = like

    def draw(self, indices):
        mask = np.repeat(np.asarray(indices) % 2, 16).reshape(-1, 4, 4).astype(np.uint8)
        return {"mask": mask, **({"like": np.asarray(indices) % 40} if self.like else {})}


@pytest.fixture
def real():
    """Twenty dim rows of class 0 and twenty bright ones of class 1."""
    generator = np.random.Generator(np.random.Philox(1))
    masks = np.repeat([0, 1], 20 * 16).reshape(40, 4, 4).astype(np.uint8)
    appearance = np.full((40, 4, 1), np.nan, np.float32)
    appearance[:20, 0, 0], appearance[20:, 1, 0] = generator.uniform(0, 0.1, 20), generator.uniform(0.8, 0.9, 20)
    appearance[:, 3, 0] = np.where(np.arange(40) < 20, 0.01, 0.1) * generator.uniform(0.9, 1.1, 40)
    return masks, appearance


def test_a_mask_made_of_a_real_one_looks_like_it_or_between_it_and_a_similar_row(real):
    masks, appearance = real
    labels = MasksWithAppearance.fit(Masks(like=True), appearance, masks, seed=0)
    drawn = labels.draw(np.arange(400))
    assert set(drawn) == {"mask", "appearance"} and drawn["appearance"].dtype == np.float32
    dim = np.arange(400) % 40 < 20
    assert drawn["appearance"][dim, 0].max() <= 0.1 and drawn["appearance"][~dim, 1].min() >= 0.8
    assert drawn["appearance"][dim, 3].max() < 0.02 and drawn["appearance"][~dim, 3].min() > 0.08
    assert len(np.unique(drawn["appearance"][dim, 0])) == 200  # new ones, not copies
    assert not np.isnan(drawn["appearance"]).any()


def test_another_mask_looks_like_rows_with_similar_shares(real):
    masks, appearance = real
    drawn = MasksWithAppearance.fit(Masks(like=False), appearance, masks, seed=0).draw(np.arange(400))
    one = drawn["mask"][:, 0, 0] == 1
    # the eight rows to choose from may all be of the other kind: 2 · 0.5⁸ of the rows
    assert np.mean(drawn["appearance"][one, 3] > 0.08) > 0.97 and np.mean(drawn["appearance"][~one, 3] < 0.02) > 0.97


def test_row_i_follows_from_seed_and_i(real):
    masks, appearance = real
    labels = MasksWithAppearance.fit(Masks(like=False), appearance, masks, seed=3)
    whole = labels.draw(np.arange(64))["appearance"]
    np.testing.assert_array_equal(labels.draw(np.array([7, 41]))["appearance"], whole[[7, 41]])
    other = MasksWithAppearance.fit(Masks(like=False), appearance, masks, seed=4).draw(np.arange(64))["appearance"]
    assert not np.array_equal(whole, other)


def test_gaps_are_filled_from_the_most_alike_row_that_has_the_class():
    nan = np.nan
    rows = np.array([[0.1, 0.3, nan, 0.01], [0.11, nan, nan, 0.01], [0.8, nan, nan, 0.2], [0.81, 0.9, nan, 0.2]])
    filled = fill_gaps(rows[..., None].astype(np.float32))[..., 0]
    np.testing.assert_allclose(filled[:, 1], [0.3, 0.3, 0.9, 0.9], rtol=1e-6)
    assert not filled[:, 2].any()


@pytest.mark.parametrize("count", [1, 2])
def test_one_or_two_real_rows_are_enough(count):
    appearance = np.full((count, 3, 1), 0.5, np.float32)
    labels = MasksWithAppearance.fit(Masks(like=False), appearance, np.zeros((count, 4, 4), np.uint8), seed=0)
    np.testing.assert_allclose(labels.draw(np.arange(4))["appearance"], 0.5)
