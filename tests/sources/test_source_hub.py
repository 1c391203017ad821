"""The Hub's code path, with `datasets` reading a local folder in the Hub's place."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from synthgen.errors import UserError
from synthgen.sources import ImageSourceOptions, describe_source, load_labelled_images, load_masked_images


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder, with a cache of its own and no network."""
    import datasets
    import huggingface_hub.constants

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    monkeypatch.setattr(datasets.config, "HF_CACHE_HOME", tmp_path / "cache")
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    return tmp_path


def hub(**fields: Any) -> ImageSourceOptions:
    return ImageSourceOptions.model_validate({"kind": "hub", "id": "owner/name", **fields})


def test_splits_features_and_pixels(here: Path, labelled: Any, make_noise: Any) -> None:
    labelled(train=30, test=10, classes=3).rename(here / "moved")
    (here / "owner").mkdir()
    (here / "moved").rename(here / "owner/name")
    data = load_labelled_images(hub(license="MIT"), seed=0)
    assert [len(part["label"]) for part in (data.train, data.validation, data.heldout)] == [27, 3, 10]
    assert data.classes == ("kind 0", "kind 1", "kind 2")
    assert np.array_equal(data.heldout["image"][..., 0], np.stack(make_noise(10, 8, 8, seed=1)))
    assert data.origin.license == "MIT" and "owner/name" in data.origin.citation
    assert "local folder" in " ".join(data.origin.notes)

    part = load_labelled_images(hub(split={"train": "train[:20]", "heldout": "test"}), seed=0)
    assert [len(rows["label"]) for rows in (part.train, part.validation, part.heldout)] == [18, 2, 10]
    alone = load_labelled_images(hub(split="train"), seed=0)
    assert [len(rows["label"]) for rows in (alone.train, alone.validation, alone.heldout)] == [22, 2, 6]

    assert "owner/name" in describe_source(hub(), "label")
    with pytest.raises(UserError, match=r"source\.columns\.label: owner/name has no column 'kind'"):
        describe_source(hub(columns={"label": "kind"}), "label")
    with pytest.raises(UserError, match=r"source\.columns\.mask: owner/name has no column 'mask'"):
        load_masked_images(hub(), seed=0)


def test_a_path_in_a_row_is_not_followed(here: Path, write_parquet: Any, make_png: Any, make_noise: Any) -> None:
    (here / "secret.png").write_bytes(make_png(make_noise(1, 8, 8)[0]))
    cells: list[Any] = [make_png(image) for image in make_noise(9, 8, 8)]
    cells.append({"bytes": None, "path": str(here / "secret.png")})
    write_parquet(here / "owner/name/train.parquet", {"image": cells, "label": [0, 1] * 5})
    with pytest.raises(UserError, match="train row 9 points to .* outside"):
        load_labelled_images(hub(), seed=0)


@pytest.mark.parametrize("act", [lambda o: describe_source(o, "label"), lambda o: load_labelled_images(o, seed=0)])
def test_without_a_network_it_says_what_to_do(here: Path, act: Any) -> None:
    with pytest.raises(UserError, match=r"^source\.id: 'nobody/nothing' could not be read .*source\.kind=files"):
        act(hub(id="nobody/nothing"))
