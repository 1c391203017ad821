"""A report as a run writes it, with made-up numbers, and pictures for its page."""

from typing import Any

import numpy as np
import pytest
from PIL import Image

CLASSES = ("background", "nucleus", "stain")


def regime(values: list[float], per_class: list[float], rows: int) -> dict[str, Any]:
    mean, sd = float(np.mean(values)), float(np.std(values, ddof=1))
    classes = dict(zip(CLASSES, per_class, strict=True))
    return {"mean": mean, "sd": sd, "values": values, "per_class": classes, "rows": rows}


def history() -> list[dict[str, Any]]:
    points = []
    for step in range(0, 2000, 40):
        loss = 0.09 + 1.4 * np.exp(-step / 130) + 0.004 * np.sin(step)
        validation = round(loss * 1.03 + step * 4e-6, 5) if step % 200 == 0 else None
        points.append(
            {
                "step": step,
                "seconds": round(step * 0.061, 2),
                "train_loss": round(float(loss), 5),
                "validation_loss": validation,
            }
        )
    return points


@pytest.fixture
def report() -> dict[str, Any]:
    gain = {"mean": 0.0031, "sd": 0.0012, "values": [0.002, 0.0031, 0.0042]}
    return {
        "recipe": "segmentation",
        "task": "segmentation",
        "recipe_sha256": "6b1f0a55" * 8,
        "model_sha256": "0c93de17" * 8,
        "versions": {"synthgen": "0.1.0", "torch": "2.13.0", "diffusers": "0.42.1", "python": "3.11.9"},
        "hardware": {"processor": "2 cores, avx512_bf16", "memory_gib": 7.8, "gpu": "none"},
        "rows": {
            "requested": 2000,
            "accepted": 2000,
            "candidates": 2387,
            "rejected": {"agreement": 301, "duplicates": 12, "copies": 5, "quota": 69},
        },
        "seconds": {
            "train": 121.4,
            "sample": 38.22,
            "label": 3.1,
            "gate": 4.57,
            "evaluate": 81.3,
            "export": 2.08,
            "total": 254.9,
        },
        "throughput": {"rows_per_second": 51.7, "denoiser_rows_per_second": 58.9, "efficiency": 0.8778},
        "utility": {
            "metric": "mIoU",
            "learner": "U-Net of three levels, 120 k parameters, AdamW",
            "seeds": 3,
            "steps": 400,
            "batch_size": 32,
            "heldout_rows": 256,
            "train_real_test_real": regime([0.9571, 0.9544, 0.9602], [0.982, 0.951, 0.939], 1024),
            "train_synthetic_test_real": regime([0.9263, 0.9187, 0.9301], [0.973, 0.921, 0.881], 2000),
            "train_both_test_real": regime([0.9591, 0.9575, 0.9644], [0.983, 0.954, 0.944], 3024),
            "baseline_augmentation": regime([0.9580, 0.9601, 0.9611], [0.983, 0.953, 0.943], 3024),
            "worth": 0.9663,
            "gain": gain,
        },
        "fidelity": {
            "precision": 0.913,
            "recall": 0.624,
            "density": 0.981,
            "coverage": 0.874,
            "frechet": 3.417,
            "rows": 256,
            "k": 5,
            "real": {"precision": 0.934, "recall": 0.921, "density": 0.962, "coverage": 0.951, "frechet": 1.208},
        },
        "privacy": {
            "copies": 3,
            "copies_share": 0.0015,
            "copies_expected": 4.2,
            "exact_copies": 0,
            "nearest_ratio": 0.952,
            "nearest_ratio_low": 0.931,
            "nearest_ratio_high": 0.974,
            "rows": 2000,
            "heldout_rows": 256,
            "note": "Held-out crops come from the right half, training crops from the left.",
            "membership_auc": 0.561,
            "membership_auc_low": 0.529,
            "membership_auc_high": 0.594,
            "membership_tpr": 0.019,
        },
        "gates": {
            "agreement": {
                "rejected": 301,
                "seconds": 3.81,
                "threshold": 0.412,
                "explanation": "An independent segmenter must see the classes of the mask.",
                "worth": {"mean": 0.0091, "sd": 0.0023, "values": [0.0075, 0.0107], "rows": 2000},
            },
            "duplicates": {
                "rejected": 12,
                "seconds": 0.22,
                "explanation": "No two rows may be nearly equal.",
                "worth": None,
            },
            "copies": {
                "rejected": 5,
                "seconds": 0.31,
                "explanation": "No row may be a training row over again.",
                "worth": {"mean": 0.0, "sd": 0.0, "values": [0.0, 0.0], "rows": 2000},
            },
            "quota": {
                "rejected": 69,
                "seconds": 0.23,
                "explanation": "Classes keep the mix that the recipe asks for.",
                "worth": {"mean": -0.0052, "sd": 0.0018, "values": [-0.0039, -0.0065], "rows": 2000},
            },
        },
        "training": {
            "history": history(),
            "steps": 1990,
            "best_step": 1800,
            "parameters": 702_444,
            "images": 63_680,
            "batch_size": 32,
            "stopped": "validation loss rose; the best weights so far are used",
        },
        "data": {"train": 1024, "validation": 128, "heldout": 256},
        "origin": {
            "name": "Immunohistochemistry photograph of scikit-image",
            "license": "CC0-1.0",
            "citation": "van der Walt et al. 2014, scikit-image",
            "labels": "Colour deconvolution (rgb2hed) with thresholds; no person drew them.",
            "splits": "Training crops from the left half, held-out crops from the right half.",
            "notes": ["Crops of 64 × 64 pixels, turned and flipped."],
        },
        "notes": [],
    }


def picture(rng: np.random.Generator, size: int) -> Image.Image:
    coarse = Image.fromarray(rng.integers(60, 230, (size // 8, size // 8, 3), dtype=np.uint8))
    return coarse.resize((size, size), Image.Resampling.BICUBIC)


@pytest.fixture
def pictures() -> dict[str, Any]:
    rng = np.random.default_rng(0)
    return {
        "real": [picture(rng, 128) for _ in range(12)],
        "synthetic": [(picture(rng, 128), f"row {i}") for i in range(12)],
        "epochs": [(step, [picture(rng, 128) for _ in range(6)]) for step in (0, 500, 1000, 1990)],
        "rejected": {
            "agreement: the segmenter sees another class": [(picture(rng, 128), f"{i / 9:.2f}") for i in range(5)],
            "copies: as near to training row 17 as a copy": [(picture(rng, 128), "ratio 0.12")],
        },
        "legend": [("nucleus", (230, 159, 0)), ("stain", (86, 180, 233))],
    }
