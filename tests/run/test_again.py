"""The same folder again: finished, with another recipe, from the start, with other workers."""

from __future__ import annotations

import shutil

import datasets
import pytest
from tiny import data_digests, events, rewind

from synthgen.storage import digest_folder


def test_a_finished_run_returns_at_once_and_changes_nothing(copy, digits):
    before = digest_folder(copy)
    outcome = digits(copy)
    assert outcome.code == 0 and str(copy / "dataset") in outcome.out
    assert digest_folder(copy) == before


def test_a_changed_recipe_is_refused_by_name(copy, digits):
    before = digest_folder(copy)
    outcome = digits(copy, sample__steps=5)
    assert outcome.code == 2
    assert "sample.steps" in outcome.err and "30" in outcome.err and "5" in outcome.err and "--fresh" in outcome.err
    assert digest_folder(copy) == before


@pytest.mark.slow
def test_fresh_starts_over(copy, digits):
    judges = copy.parent / "judges"
    shutil.copytree(copy / "judges", judges)
    few = {"train__steps": 4, "count": 20, "evaluate__seeds": 1, "gates__duplicates": "off", "gates__agreement": "off"}
    outcome = digits(copy, "--fresh", **few)
    assert outcome.code == 0, outcome.err
    kinds = [entry["event"] for entry in events(copy)]
    assert kinds.count("start") == kinds.count("done") == kinds.count("model") == 1
    assert kinds.count("shard") == len(list((copy / "state" / "shards").glob("*.parquet"))) < 10
    assert digest_folder(copy / "judges") == digest_folder(judges)  # the same data and seed: fitted to the same bytes


@pytest.mark.parametrize("replicas", [1, 2, 3])
def test_the_number_of_workers_changes_nothing(copy, undisturbed, digits, replicas):
    rewind(copy, "state/shards", "state/memory/throughput.json")
    assert digits(copy, "--replicas", str(replicas)).code == 0
    assert data_digests(copy) == data_digests(undisturbed)


def test_a_preview_is_a_picture_of_real_and_made_rows_and_the_rows(copy, command, tmp_path):
    from PIL import Image
    from tiny import DIGITS, words

    before = data_digests(copy)
    outcome = command("preview", *words(*DIGITS, copy)[1:], "-n", "8")
    assert outcome.code == 0 and outcome.out.split() == [str(copy / "preview.png"), str(copy / "preview.parquet")]
    rows = datasets.load_dataset(
        "parquet", data_files=str(copy / "preview.parquet"), split="train", cache_dir=str(tmp_path)
    )
    assert rows.num_rows == 8 and rows.features["label"].names == [str(digit) for digit in range(10)]
    assert len(events(copy, "start")) == 2  # its time counts
    with Image.open(copy / "preview.png") as picture:
        assert picture.width > 100 and len(picture.convert("L").getcolors(256) or []) > 20
    assert data_digests(copy) == before
