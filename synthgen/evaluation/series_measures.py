"""How close synthetic series are to real ones, by the measures that the literature reports.

Knows columns of series and nothing of judges or generators: what it fits, it fits here.

    compare_series(data.heldout, synthetic, data, seed=0)["discriminative_score"]      # 0: nobody can tell them apart
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from statistics import fmean

import numpy as np
import torch

from ..hardware import cores
from ..networks.minirocket import MiniRocket
from ..networks.ridge import decompose, multiply
from ..networks.sequences import Discriminator, Forecaster, fit_sequences, forecast_loss, tell_loss
from ..types import Columns, Data
from .fidelity import frechet_distance
from .series_learners import forecast_errors, ranges, run

MOST_ROWS = 2_000  # of each kind
SEEDS = 2
TRAIN_SHARE = 0.8
TELL_STEPS, TELL_BATCH, TELL_RATE = 400, 128, 1e-2
FORECAST_STEPS, FORECAST_BATCH = 200, 128
UNIT, LEAST = 24, 0.3  # of series longer than `UNIT` there are fewer steps, but at least this share: they cost more
LONGEST = 128  # steps that a recurrent network is shown: of longer rows a window, drawn for each
LONGEST_LAG = 64
AXES = 32
FLOOR = 1e-4  # of the mean power: what a flat spectrum's bins are raised to before the logarithm

MEANINGS = {
    "discriminative_score": ("accuracy beyond 0.5 of a GRU that tells synthetic from held-out series", "near real"),
    "discriminative_score_train": ("the same against training series, as in the literature", "near 0"),
    "discriminative_score_real": ("how well it tells training series from held-out ones", ""),
    "predictive_score": ("error of the next step on held-out series, learned from synthetic ones", "near real"),
    "predictive_score_real": ("the same, learned from training series", ""),
    "context_frechet": ("distance between MiniRocket features, in units of the training series' variance", "near 0"),
    "autocorrelation_difference": ("mean difference between the autocorrelations", "near 0"),
    "spectrum_difference": ("mean difference between the power spectra, in decades", "near 0"),
    "correlation_difference": ("mean difference between the correlations of channels", "near 0"),
    "rows": ("series of each kind that were compared", ""),
    "event_change_inside": ("change within events when they are left out, in standard deviations", "large"),
    "event_change_outside": ("change outside of them", "near 0"),
}


def compare_series(real: Columns, synthetic: Columns, data: Data, seed: int) -> dict[str, float]:
    """Compares `series` (N, T, C) and (M, T, C), at most 2,000 rows of each; smaller is better everywhere.

    discriminative_score: |1/2 - accuracy| of a GRU on held-back rows of both kinds, in [0, 1/2];
    discriminative_score_train: from data.train instead of `real`, as in the literature; discriminative_score_real:
    data.train from `real`, what a perfect generator would reach where `real` is later in time.
    predictive_score: mean absolute error on `real` of a GRU that learned the next step from synthetic rows;
    predictive_score_real: the same, learned from data.train. Both are of Yoon et al. 2019, "Time-series Generative
    Adversarial Networks", section 5; series are scaled to [0, 1] by the range of data.train, all channels are
    predicted, and of series longer than 128 steps the networks are shown windows.
    context_frechet: Fréchet distance between MiniRocket features on the first 32 principal axes of data.train, in units
    of the variance of data.train (Jeha et al. 2022, "PSA-GAN", section 4, with another embedding than their TS2Vec).
    autocorrelation_difference, spectrum_difference (decades), correlation_difference: see the functions of this module.
    rows: compared, of each kind.
    """
    generator = np.random.Generator(np.random.Philox(seed))
    low, span = ranges(data.train["series"])
    train, true, made = (
        (_draw(columns["series"], generator) - low) / span for columns in (data.train, real, synthetic)
    )
    fits = {
        "discriminative_score": (tell_apart, true, made),
        "discriminative_score_train": (tell_apart, train, made),
        "discriminative_score_real": (tell_apart, true, train),
        "predictive_score": (predict, made, true),
        "predictive_score_real": (predict, train, true),
    }
    # one thread each, whatever the number of cores: more would change the last bits, and not be faster
    with ThreadPoolExecutor(cores(), "measure", initializer=torch.set_num_threads, initargs=(1,)) as pool:
        asked = {
            name: [pool.submit(fit, a, b, seed + number) for number in range(SEEDS)]
            for name, (fit, a, b) in fits.items()
        }
        found = {name: fmean(future.result() for future in futures) for name, futures in asked.items()}
    return {
        **found,
        "context_frechet": measure_context_frechet(train, true, made, seed),
        "autocorrelation_difference": float(np.abs(autocorrelation(true) - autocorrelation(made)).mean()),
        "spectrum_difference": float(np.abs(log_spectrum(true) - log_spectrum(made)).mean()),
        "correlation_difference": correlation_difference(true, made),
        "rows": float(min(len(true), len(made))),
    }


def tell_apart(real: np.ndarray, synthetic: np.ndarray, seed: int) -> float:
    """|1/2 - accuracy| on a fifth of the rows, as many real as synthetic, that the network did not learn from.

    Two layers of GRU, half as wide as there are channels and at least 8, as in TimeGAN, with a fifth of its 2,000 steps
    at ten times the rate. It is the stricter of the two: of ETTh1 windows with noise of 2 % of the range it says 0.12,
    TimeGAN's schedule 0.02.
    """
    count = min(len(real), len(synthetic))
    if count < 2:
        return float("nan")
    generator = np.random.Generator(np.random.Philox(seed))
    shown = max(1, min(count - 1, round(TRAIN_SHARE * count)))
    true, made = (_cut_windows(rows[generator.permutation(len(rows))[:count]], generator) for rows in (real, synthetic))
    learned, asked = torch.cat([true[:shown], made[:shown]]), torch.cat([true[shown:], made[shown:]])
    center, scale = learned.mean((0, 1)), learned.std((0, 1)).clamp(min=1e-6)
    net = fit_sequences(
        Discriminator(real.shape[2], max(8, real.shape[2] // 2)),
        ((learned - center) / scale, torch.cat([torch.ones(shown), torch.zeros(shown)])),
        tell_loss,
        steps=shorten(TELL_STEPS, learned.shape[1]),
        batch_size=min(TELL_BATCH, len(learned)),
        seed=seed,
        rate=TELL_RATE,
    )
    held = count - shown
    right = (run(net, (asked - center) / scale) > 0) == (np.arange(2 * held) < held)
    return abs(0.5 - float(right.mean()))


def predict(train: np.ndarray, test: np.ndarray, seed: int) -> float:
    """Mean absolute error of the next step on `test` after learning from `train`; both (N, T, C), scaled to [0, 1]."""
    net = fit_sequences(
        Forecaster(train.shape[2], max(8, train.shape[2])),
        (torch.from_numpy(train),),
        forecast_loss,
        steps=shorten(FORECAST_STEPS, train.shape[1]),
        batch_size=min(FORECAST_BATCH, len(train)),
        seed=seed,
        longest=LONGEST,
    )
    return float(forecast_errors(net, torch.from_numpy(test)).mean())


def shorten(steps: int, length: int) -> int:
    """How many optimiser steps a recurrent network gets on series of `length`; each costs in proportion to it."""
    return max(round(LEAST * steps), min(steps, steps * UNIT // length))


def measure_context_frechet(train: np.ndarray, real: np.ndarray, synthetic: np.ndarray, seed: int) -> float:
    """Fréchet distance of `real` and `synthetic`, equal numbers of rows, on the principal axes of `train`."""
    rocket = MiniRocket.fit(train, seed)
    spectrum = decompose(rocket.transform(train))
    axes = (spectrum.axes[:, :AXES] / spectrum.scale[:, None]).astype(np.float32)
    size = np.sqrt(np.square(spectrum.singular[:AXES]).sum() / max(len(train) - 1, 1)) or 1.0
    count = min(len(real), len(synthetic))
    if count < 2:
        return float("nan")
    places = [multiply(rocket.transform(rows[:count]), axes) / size for rows in (real, synthetic)]
    return frechet_distance(*places)


def autocorrelation(series: np.ndarray) -> np.ndarray:
    """(N, T, C) -> (L, C): autocorrelation at lags 1 to T/2 (at most 64), averaged over rows that vary.

    Around each row's own mean, with the biased estimate (Box and Jenkins 1976, eq. 2.1.12); 0 where no row varies.
    """
    centred = series.astype(np.float64) - series.mean(1, keepdims=True, dtype=np.float64)
    length = series.shape[1]
    power = np.square(centred).sum(1)
    varies = power > 1e-10 * length
    count = np.maximum(varies.sum(0), 1)
    found = []
    for lag in range(1, max(1, min(length // 2, LONGEST_LAG)) + 1):
        product = (centred[:, lag:] * centred[:, : length - lag]).sum(1)
        found.append(np.divide(product, power, out=np.zeros_like(product), where=varies).sum(0) / count)
    return np.stack(found)


def log_spectrum(series: np.ndarray) -> np.ndarray:
    """(N, T, C) -> (T // 2, C): log10 of the mean power at each frequency but 0, as a share of the channel's.

    A Hann window keeps a trend from filling all frequencies; the shares of a constant channel are equal.
    """
    centred = series.astype(np.float64) - series.mean(1, keepdims=True, dtype=np.float64)
    power = np.square(np.abs(np.fft.rfft(centred * np.hanning(series.shape[1])[:, None], axis=1)))[:, 1:].mean(0)
    mean = power.mean(0)
    share = np.where(mean > 1e-10, power / np.maximum(mean, 1e-10), 1.0)
    logs: np.ndarray = np.log10(share + FLOOR)
    return logs


def correlation_difference(real: np.ndarray, synthetic: np.ndarray) -> float:
    """Mean absolute difference of the correlations between channels, over all pairs; 0 for one channel."""
    channels = real.shape[2]
    if channels == 1:
        return 0.0
    difference = np.abs(correlations(real) - correlations(synthetic))
    return float(difference[np.triu_indices(channels, 1)].mean())


def correlations(series: np.ndarray) -> np.ndarray:
    """(N, T, C) -> (C, C), over all rows and steps; 0 for a channel that does not vary."""
    flat = series.reshape(-1, series.shape[2]).astype(np.float64)
    flat = flat - flat.mean(0)
    deviation = np.sqrt(np.square(flat).mean(0))
    unit = flat / np.where(deviation > 1e-6, deviation, np.inf)
    matrix: np.ndarray = unit.T @ unit / len(flat)
    return matrix


def _draw(series: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    return series[np.sort(generator.permutation(len(series))[:MOST_ROWS])]


def _cut_windows(series: np.ndarray, generator: np.random.Generator) -> torch.Tensor:
    """(N, T, C) -> (N, at most 128, C): a window of each row."""
    length = min(series.shape[1], LONGEST)
    starts = generator.integers(series.shape[1] - length + 1, size=len(series))
    steps = starts[:, None] + np.arange(length)
    return torch.from_numpy(np.take_along_axis(series, steps[..., None], 1))
