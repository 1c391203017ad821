"""A folder as it was at one moment, while others write there."""

import json
import shutil
import threading

from synthgen.remote.snapshot import is_kept, rank, take_snapshot
from synthgen.storage import write_whole


def test_leftovers_and_what_is_of_this_machine_alone_are_not_seen(tmp_path):
    seen = ("state/recipe.json", "model/denoiser/weights", "dataset/data/a.parquet", "report.html")
    unseen = ("state/lock", "state/run.txt", "state/log.jsonl", "state/ray/x", "model/.a.7.tmp", ".dataset.tmp/a", "x")
    for name in (*seen, *unseen):
        write_whole(tmp_path / name, name)
    assert set(take_snapshot(tmp_path)) == set(seen)
    assert all(map(is_kept, seen)) and not any(map(is_kept, unseen[:4]))


def test_rows_come_before_their_marker_and_the_dataset_before_what_says_it_is_done():
    names = (
        "state/recipe.json", "state/training/step-1/model.safetensors", "model/weights", "model/training.json",
        "model/digests.json", "judges/judge.safetensors", "judges/judge.json", "state/makers.json",
        "state/shards/000001.parquet", "state/shards/000000.json", "dataset/report.json", "report.html", "state/done",
    )  # fmt: skip
    assert sorted(set(names), key=rank) == list(names)


def test_a_marker_without_its_rows_is_not_seen(tmp_path):
    write_whole(tmp_path / "state/shards/000000.json", "{}")
    assert take_snapshot(tmp_path) == {}


def test_no_snapshot_shows_what_never_was(tmp_path):
    """A writer makes a model, shards that rest on it, and begins anew; each shard names its model."""
    over = threading.Event()

    def work():
        number = 0
        while not over.is_set():
            number += 1
            shutil.rmtree(tmp_path / "state/shards", ignore_errors=True)
            write_whole(tmp_path / "state/makers.json", json.dumps(number))
            for shard in range(5):
                write_whole(tmp_path / f"state/shards/{number:06d}{shard}.parquet", "rows")

    thread = threading.Thread(target=work)
    thread.start()
    try:
        found = [snapshot for _ in range(200) if (snapshot := take_snapshot(tmp_path))]
    finally:
        over.set()
        thread.join()
    makers = {}
    for snapshot in found:
        shards = {name[len("state/shards/") :][:6] for name in snapshot if name.startswith("state/shards/")}
        assert len(shards) <= 1
        if shards:
            assert makers.setdefault(shards.pop(), snapshot["state/makers.json"]) == snapshot["state/makers.json"]
