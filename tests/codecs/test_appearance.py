"""The few numbers that tell how a row looks: against plain loops, at the edges, and for many classes."""

import numpy as np
import pytest

from synthgen.codecs.appearance import LEAST_CONTRAST, measure_appearance


def test_means_and_contrast_are_those_of_plain_loops():
    generator = np.random.Generator(np.random.Philox(1))
    masks = generator.choice(np.array([0, 1, 2, 255], np.uint8), (300, 6, 5))
    images = generator.integers(0, 256, (300, 6, 5, 3)).astype(np.uint8)
    found = measure_appearance(images, masks, classes=3)
    assert found.shape == (300, 5, 3) and found.dtype == np.float32
    for row in (0, 255, 256, 299):
        values, residual = images[row] / 255, images[row] / 255
        for entry, value in enumerate((0, 1, 2, 255)):
            inside = masks[row] == value
            np.testing.assert_allclose(found[row, entry], values[inside].mean(0), rtol=1e-5)
            residual = np.where(inside[..., None], residual - values[inside].mean(0), residual)
        np.testing.assert_allclose(found[row, 4], residual.std((0, 1)), rtol=1e-4)


def test_missing_classes_are_nan_and_one_colour_has_a_least_contrast():
    found = measure_appearance(np.full((2, 4, 4, 1), 51, np.uint8), np.zeros((2, 4, 4), np.uint8), classes=1000)
    assert found.shape == (2, 1002, 1)
    assert found[0, 0, 0] == pytest.approx(0.2) and found[0, -1, 0] == pytest.approx(LEAST_CONTRAST)
    assert np.isnan(found[:, 1:-1]).all()
    assert len(measure_appearance(np.zeros((0, 4, 4, 1), np.uint8), np.zeros((0, 4, 4), np.uint8), 2)) == 0
