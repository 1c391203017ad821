"""Series and tensors: scaling and back, what the net is told, what training reveals."""

from __future__ import annotations

import numpy as np
import torch

from synthgen.codecs.series import SeriesCodec, fit_series_codec, load_series_codec, reveal_series, vary_time
from synthgen.types import Columns

T, C = 20, 3


def rows(count: int = 40, seed: int = 0) -> Columns:
    generator = np.random.Generator(np.random.Philox(seed))
    series = generator.normal([5, -100, 7], [2, 30, 0], (count, T, C)).astype(np.float32)
    events = np.zeros((count, T), np.uint8)
    events[::2, 5:9] = 2
    severity = np.where(events > 0, 0.75, 0).astype(np.float32)
    return {"series": series, "label": np.arange(count) % 4, "events": events, "severity": severity}


def codec() -> SeriesCodec:
    return fit_series_codec(rows(), kinds=2)


def test_scaling_is_undone_and_a_constant_channel_is_its_constant() -> None:
    made, there = codec(), rows(seed=1)
    x = made.encode(there)
    np.testing.assert_allclose(x[..., :2].mean((0, 1)), 0, atol=0.1)
    np.testing.assert_allclose(x[..., :2].std((0, 1)), 1, atol=0.1)
    assert not x[..., 2].any()
    np.testing.assert_allclose(made.decode(x, there)["series"], there["series"], rtol=1e-5)
    noisy = made.decode(torch.randn(40, T, C), there)["series"]
    assert (noisy[..., 2] == 7).all()


def test_the_net_is_told_events_with_their_severity_and_known_values() -> None:
    made, there = codec(), rows()
    known = there["series"].copy()
    known[:, 12:] = np.nan
    elements = made.condition({**there, "known": known})["elements"].numpy()
    assert elements.shape == (40, T, 5 + C + 1) and made.elements == 9
    assert (elements[..., 0] == 1).all()
    np.testing.assert_array_equal(elements[..., 2], there["events"] == 2)
    np.testing.assert_allclose(elements[0, 5:9, 4], 0.5)  # 2 · 0.75 − 1
    np.testing.assert_array_equal(elements[..., -1], np.broadcast_to(np.arange(T) < 12, (40, T)))
    np.testing.assert_allclose(elements[:, :12, 5:8], made.encode(there)[:, :12])
    assert not elements[:, 12:, 5:8].any()


def test_known_values_pass_through_bit_for_bit() -> None:
    made, there = codec(), rows()
    known = there["series"].copy()
    known[:, 12:] = np.nan
    series = made.decode(torch.randn(40, T, C), {**there, "known": known})["series"]
    np.testing.assert_array_equal(series[:, :12], there["series"][:, :12])
    assert np.isfinite(series).all() and not np.array_equal(series[:, 12:, :2], there["series"][:, 12:, :2])


def test_training_reveals_only_what_is_true() -> None:
    made, there = codec(), rows(400)
    x, condition = made.encode(there), made.condition(there)
    same, told = reveal_series(x, condition, 2, torch.Generator().manual_seed(0))
    elements = told["elements"]
    known = elements[..., -1].bool()
    assert torch.equal(same, x) and torch.equal(elements[..., 5:8], x * known[..., None])
    share = float(known.any(1).float().mean())
    assert 0.3 < share < 0.5  # a history or the edges of a gap
    assert 0.85 < float(elements[..., 0].mean()) < 0.95  # the rest is told nothing of events
    untold = elements[:, 0, 0] == 0
    assert not elements[untold][..., :5].any()


def test_stretched_rows_keep_their_events_with_their_values() -> None:
    made, there = codec(), rows()
    there["series"][..., 0] = np.where(there["events"] == 2, 50, 0)
    x, condition = made.encode(there), made.condition(there)
    varied, told = vary_time(x, condition, ("warp", "scale"), torch.Generator().manual_seed(0))
    assert varied.shape == x.shape and not torch.equal(varied, x)
    inside, high = told["elements"][..., 2].bool(), varied[..., 0] > varied[..., 0].mean()
    assert float((inside == high).float().mean()) > 0.95
    assert torch.equal(vary_time(x, condition, (), torch.Generator())[0], x)


def test_it_is_read_back(tmp_path) -> None:
    codec().save(tmp_path / "codec.json")
    assert load_series_codec(tmp_path / "codec.json") == codec()
