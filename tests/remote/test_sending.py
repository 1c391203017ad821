"""What goes to a URL while a run works, also where the store fails."""

import errno
import shutil
import threading
import time

import pytest
from troubled import (
    WRITES,
    Every,
    Troubled,
    finish,
    finish_shard,
    refuse,
    train,
    wait_until,
)

from synthgen.errors import UserError
from synthgen.remote.lease import NAME
from synthgen.remote.listing import read_listing
from synthgen.storage import sealed_folder, write_whole


def test_sending_goes_on_beside_the_work(enter, there):
    with enter() as place:
        assert {"state/recipe.json", NAME} < set(there())
        train(place)
        finish_shard(place, 3)
        wait_until(lambda: "state/shards/000003.json" in read_listing(place.home.store).files)
        assert place.home.name == "troubled://bucket/runs/digits"


def test_a_network_that_drops_changes_nothing(enter, there, elsewhere):
    Troubled.trouble = Every(3)
    with enter() as place:
        train(place)
        for number in range(20):
            finish_shard(place, number)
    elsewhere()
    with enter() as place:
        assert all(place.shard_is_sound(number) for number in range(20))
        finish(place)
    Troubled.trouble = None
    elsewhere()
    with enter() as place:
        assert place.is_finished()


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (OSError(errno.ENOSPC, "No space left"), "is full"),
        (PermissionError("Access Denied"), "is refused to you"),
        (ConnectionError("no route"), "cannot be reached .*; what was made is kept on this machine"),
    ],
)
def test_a_store_that_fails_ends_the_run_and_the_work_is_kept(enter, there, error, told, monkeypatch):
    with pytest.raises(UserError, match=f"^--out: 'troubled://bucket/runs/digits' {told}"), enter() as place:
        train(place)
        Troubled.trouble = refuse(error, *WRITES)
        write_whole(place.shard_path(0), "rows")
        wait_until(lambda: place.home.error is not None)
        finish_shard(place, 0, b"rows")
    Troubled.trouble = None
    with enter() as place:
        assert place.model.exists()
    assert "model/digests.json" in read_listing(place.home.store).files


def test_an_error_at_the_very_end_is_told(enter):
    place = enter().__enter__()
    train(place)
    Troubled.trouble = refuse(PermissionError("Access Denied"), "put_file")
    with pytest.raises(UserError, match="is refused to you"):
        place.__exit__()


def test_a_checkpoint_that_goes_while_it_is_sent_is_sent_whole(enter, there):
    """Whoever trains deletes old checkpoints and does not wait for the network."""
    sent = threading.Event()
    Troubled.trouble = lambda call, path: "step-000000001" in path and (sent.set(), time.sleep(0.2))
    with enter() as place:
        for step in (1, 2):
            with sealed_folder(place.state / "training" / f"step-{step:09d}") as folder:
                (folder / "model.safetensors").write_text(str(step))
            if step == 1:
                assert sent.wait(10)
                shutil.rmtree(place.state / "training" / "step-000000001")
    assert {name for name in there() if "training" in name} == {
        f"state/training/step-000000002/{name}" for name in ("digests.json", "model.safetensors")
    }
