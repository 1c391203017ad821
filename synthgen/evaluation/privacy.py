"""Whether synthetic rows, or the model itself, give training rows away.

Knows descriptors (arrays in which Euclidean distance tells copies from new rows) and losses: not what a row is.
Every number is read against real held-out rows, which the model cannot have copied.

    privacy = measure_privacy(train, heldout, synthetic, seed=0)
    privacy |= membership_auc(train_losses, heldout_losses, seed=0)
"""

from __future__ import annotations

import numpy as np

BLOCK = 2**23  # distances held at once: 32 MiB of float32
SPARE = 6  # neighbours beyond k that float32 proposes and float64 then puts in order
RESAMPLES = 300
MOST_RESAMPLED = 2**16  # rows
QUANTILE = 0.01
FALSE_ALARMS = 0.01


def nearest_distances(queries: np.ndarray, bank: np.ndarray, k: int = 2) -> np.ndarray:
    """Euclidean distances float64 (N, k) from each query (N, D) to its k nearest rows of bank (M, D), nearest first.

    Candidates are found in float32, block by block, and measured again in float64, so that equal rows are exactly 0
    apart. Where the bank has fewer than k rows, the missing distances are inf.
    """
    assert queries.ndim == bank.ndim == 2 and queries.shape[1] == bank.shape[1], "descriptors must be (N, D), (M, D)"
    nearest = np.full((len(queries), k), np.inf)
    if len(bank) == 0 or len(queries) == 0:
        return nearest
    centre = bank.mean(0, dtype=np.float64).astype(bank.dtype)
    bank_md = (bank - centre).astype(np.float32, copy=False)
    bank_squared = np.square(bank_md).sum(1)
    candidates = min(k + SPARE, len(bank))
    size = max(1, BLOCK // max(len(bank), candidates * bank.shape[1]))
    for start in range(0, len(queries), size):
        block = queries[start : start + size]
        squared = bank_squared - 2 * (block - centre).astype(np.float32) @ bank_md.T
        index = np.argpartition(squared, candidates - 1, axis=1)[:, :candidates]
        difference = bank[index].astype(np.float64) - block[:, None].astype(np.float64)
        exact = np.sort(np.sqrt(np.square(difference).sum(-1)), axis=1)[:, :k]
        nearest[start : start + size, : exact.shape[1]] = exact
    return nearest


def nearness(
    found: np.ndarray, usual: np.ndarray, labels: np.ndarray | None = None, usual_labels: np.ndarray | None = None
) -> float | None:
    """How near rows lie to training rows: median nearest distance, `found` (S,) ÷ `usual` (H,); None if that is 0.

    With labels (S,) and (H,), the geometric mean of the classes' ratios by their shares in `found`. Classes may differ
    tenfold in variety (standing, running); the median over all of them then lies in the gap between two and jumps.
    """
    if labels is None or usual_labels is None:
        labels, usual_labels = np.zeros(len(found), np.int64), np.zeros(len(usual), np.int64)
    total, weight = 0.0, 0
    for k in np.unique(labels):
        of_class, unseen = found[labels == k], usual[usual_labels == k]
        ratio = _ratio(np.median(of_class), np.median(unseen)) if len(unseen) else None
        if ratio is not None:
            total += len(of_class) * np.log(max(ratio, 1e-12))
            weight += len(of_class)
    return float(np.exp(total / weight)) if weight else None


def measure_privacy(
    train: np.ndarray,
    heldout: np.ndarray,
    synthetic: np.ndarray,
    *,
    seed: int,
    labels: tuple[np.ndarray, np.ndarray] | None = None,
    note: str | None = None,
) -> dict[str, float | int | str | None]:
    """Copies and nearness of synthetic rows (S, D) to training rows (N, D), against held-out rows (H, D).

    copies: synthetic rows whose distance to the nearest training row, and whose ratio of that to the second nearest,
    are both below the 1 % quantile of held-out rows (the ratio test of Yoon et al. 2023), or that equal a training row.
    copies_expected: how many of as many held-out rows fall under the same rule; about that many are chance.
    nearest_ratio: median nearest distance of synthetic rows ÷ that of held-out rows, class by class where `labels` has
    those of held-out and of synthetic rows (`nearness`), with a 95 % bootstrap interval; 1 means as far from the
    training rows as real rows are, below 1 means closer.
    `note` is handed on: say there how the held-out rows were told apart from the training rows.
    """
    found = nearest_distances(synthetic, train)
    usual = nearest_distances(heldout, train)
    copied, chance = copy_rule(found, usual), copy_rule(usual, usual)
    classes = labels or (np.zeros(len(usual), np.int64), np.zeros(len(found), np.int64))
    low, high = _ratio_interval(found[:, 0], usual[:, 0], classes, seed)
    return {
        "copies": int(copied.sum()),
        "copies_share": _mean(copied),
        "copies_expected": _mean(chance) * len(found),
        "exact_copies": int((found[:, 0] == 0).sum()),
        "nearest_ratio": nearness(found[:, 0], usual[:, 0], classes[1], classes[0]),
        "nearest_ratio_low": low,
        "nearest_ratio_high": high,
        "rows": len(found),
        "heldout_rows": len(usual),
        "note": note,
    }


def copy_rule(found: np.ndarray, usual: np.ndarray, quantile: float = QUANTILE) -> np.ndarray:
    """Bool (N,): which nearest distances (N, 2) are too near in both senses, by what is `usual` (H, 2)."""
    if len(usual) == 0:
        return np.equal(found[:, 0], 0)
    distance_limit = np.quantile(usual[:, 0], quantile)
    ratio_limit = np.quantile(_closeness(usual), quantile)
    near = (found[:, 0] < distance_limit) & (_closeness(found) < ratio_limit)
    copies: np.ndarray = near | ((found[:, 0] == 0) & (distance_limit > 0))
    return copies


def membership_auc(
    train_losses: np.ndarray, heldout_losses: np.ndarray, *, seed: int = 0
) -> dict[str, float | int | None]:
    """How well a low denoising loss betrays a training row (Yeom et al. 2018; Matsumoto et al. 2023).

    Losses (N,) of rows the model was trained on and (H,) of rows it never saw, at the same noise levels.
    membership_auc is Mann–Whitney's P(train < held-out) + P(equal) / 2: 0.5 means that the loss says nothing. Low and
    high: 95 % bootstrap interval. membership_tpr: the share of training rows found at 1 % false alarms (Carlini 2022).
    """
    members, others = np.asarray(train_losses, np.float64), np.asarray(heldout_losses, np.float64)
    members, others = members[np.isfinite(members)], others[np.isfinite(others)]
    names = ("membership_auc", "membership_auc_low", "membership_auc_high", "membership_tpr")
    if len(members) == 0 or len(others) == 0:
        return dict.fromkeys(names)
    generator = np.random.Generator(np.random.Philox(seed))
    draws = [
        _auc(generator.choice(members, members.size), generator.choice(others, others.size)) for _ in range(RESAMPLES)
    ]
    low, high = np.quantile(draws, [0.025, 0.975])
    threshold = np.quantile(others, FALSE_ALARMS, method="lower")
    values = (_auc(members, others), float(low), float(high), float((members < threshold).mean()))
    return dict(zip(names, values, strict=True))


def _auc(members: np.ndarray, others: np.ndarray) -> float:
    from scipy.stats import rankdata  # half a second to import

    ranks = rankdata(np.concatenate([members, others]))[members.size :]
    wins = ranks.sum() - others.size * (others.size + 1) / 2
    return float(wins / (members.size * others.size))


def _closeness(distances: np.ndarray) -> np.ndarray:
    """d1 / d2, and 1 where both are 0: a training row that exists twice says nothing about the synthetic one."""
    first, second = distances[:, 0], distances[:, 1]
    closeness = np.ones(len(first))
    np.divide(first, second, out=closeness, where=second > 0)
    return closeness


def _ratio_interval(
    found: np.ndarray, usual: np.ndarray, classes: tuple[np.ndarray, np.ndarray], seed: int
) -> tuple[float | None, float | None]:
    if found.size == 0 or usual.size == 0 or np.median(usual) == 0:
        return None, None
    generator = np.random.Generator(np.random.Philox(seed))
    ratios = []
    for _ in range(RESAMPLES):
        made, unseen = (generator.integers(len(rows), size=min(len(rows), MOST_RESAMPLED)) for rows in (found, usual))
        ratio = nearness(found[made], usual[unseen], classes[1][made], classes[0][unseen])
        ratios += [] if ratio is None else [ratio]
    if not ratios:
        return None, None
    low, high = np.quantile(ratios, [0.025, 0.975])
    return float(low), float(high)


def _ratio(above: float, below: float) -> float | None:
    return float(above / below) if below > 0 and np.isfinite(below) else None


def _mean(flags: np.ndarray) -> float:
    return float(flags.mean()) if flags.size else 0.0
