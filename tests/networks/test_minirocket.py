"""MiniRocket finds what a plain convolution and aeon's own transformer find, whoever else is at work."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

from synthgen.networks.minirocket import KERNEL, TRIPLES, MiniRocket, draw_channels, spread_dilations


def make_series(rows: int = 12, steps: int = 40, channels: int = 3, seed: int = 0) -> np.ndarray:
    return np.random.Generator(np.random.Philox(seed)).standard_normal((rows, steps, channels)).astype(np.float32)


def test_features_are_shares_of_a_plain_convolution_above_the_bias():
    series = make_series()
    rocket = MiniRocket.fit(series, seed=1, features=84 * 4)
    found = rocket.transform(series)
    scaled, place = (series - rocket.center) / rocket.scale, 0
    for d, (dilation, count) in enumerate(zip(rocket.dilations, rocket.counts, strict=True)):
        reach = int(dilation) * (KERNEL // 2)
        for k, triple in enumerate(TRIPLES):
            weights = np.full(KERNEL, -1.0)
            weights[triple] = 2.0
            spaced = np.zeros(2 * reach + 1)
            spaced[:: int(dilation)] = weights
            summed = scaled[..., rocket.channels[d, k]].sum(2)
            values = np.stack([np.correlate(np.pad(row, reach), spaced, "valid") for row in summed])
            kept = values[:, reach:-reach] if (d + k) % 2 else values
            for bias in rocket.biases[place : place + count]:
                assert np.abs(found[:, place] - (kept > bias).mean(1)).max() <= 1.01 / kept.shape[1]
                place += 1
    assert place == found.shape[1] == 84 * 4


@pytest.fixture
def torch_keeps_its_threads():
    """numba sets OpenMP's, which are also torch's: every later test of the process would crawl."""
    count = torch.get_num_threads()
    yield
    torch.set_num_threads(count)


@pytest.mark.slow
@pytest.mark.parametrize("channels", [1, 5])
def test_features_are_those_of_aeon(channels, torch_keeps_its_threads):
    from aeon.transformations.collection.convolution_based import MiniRocket as Reference

    series = make_series(20, 60, channels)
    reference = Reference(n_kernels=500, random_state=0)
    wanted = reference.fit_transform(series.transpose(0, 2, 1))
    many, indices, dilations, counts, biases = reference.parameters
    used = np.zeros((len(many), channels), bool)
    for row, part in zip(used, np.split(indices, np.cumsum(many)[:-1]), strict=True):
        row[part] = True
    plain = {"center": np.zeros(channels, np.float32), "scale": np.ones(channels, np.float32)}
    rocket = MiniRocket(dilations, counts, used.reshape(len(dilations), 84, channels), biases, **plain)
    assert np.mean(rocket.transform(series) == wanted) > 0.9999
    ours = spread_dilations(60, 500)
    assert ours[0].tolist() == dilations.tolist() and ours[1].tolist() == counts.tolist()


def test_a_row_does_not_depend_on_its_company_nor_on_threads():
    series = make_series(700, 24, 2)
    rocket = MiniRocket.fit(series, seed=0)
    whole = rocket.transform(series)
    assert np.array_equal(rocket.transform(series[13:14])[0], whole[13])
    with ThreadPoolExecutor(4) as pool:
        again = list(pool.map(lambda seed: MiniRocket.fit(series, seed).transform(series), [0, 1, 0, 1]))
    assert np.array_equal(again[0], whole) and np.array_equal(again[2], whole)
    assert np.array_equal(again[1], again[3]) and not np.array_equal(again[0], again[1])


def test_no_global_random_state_is_read_or_moved():
    np.random.seed(5)
    wanted = np.random.random()
    np.random.seed(5)
    MiniRocket.fit(make_series(), seed=0)
    assert np.random.random() == wanted


def test_arrays_restore_it():
    series = make_series()
    rocket = MiniRocket.fit(series, seed=3)
    assert np.array_equal(MiniRocket(**rocket.arrays()).transform(series), rocket.transform(series))


@pytest.mark.parametrize("steps", [8, 9, 24])
def test_short_and_constant_series_have_finite_features(steps):
    series = make_series(4, steps, 2)
    series[..., 1] = 7.0
    features = MiniRocket.fit(series, seed=0).transform(series)
    assert features.shape == (4, 1932) and np.isfinite(features).all()
    assert features.min() >= 0 and features.max() <= 1


def test_units_of_a_channel_do_not_matter():
    series = make_series()
    units = np.array([1.0, 1024.0, 0.125], np.float32)
    plain, scaled = (MiniRocket.fit(x, seed=0).transform(x) for x in (series, series * units))
    assert np.mean(plain == scaled) > 0.999


def test_every_convolution_has_one_to_nine_channels():
    used = draw_channels(8, 30, np.random.Generator(np.random.Philox(0))).sum(2)
    assert used.min() == 1 and used.max() == 9
