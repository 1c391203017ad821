"""A run whose home is a URL: what is there while it works, and what another machine makes of it."""

import errno
import json
import shutil
import threading
import time

import pytest
from troubled import WRITES, Every, Troubled, finish_shard, refuse, spoil

from synthgen.errors import UserError
from synthgen.recipe import load
from synthgen.remote import mirror as module
from synthgen.remote.copy import MAKERS
from synthgen.remote.lease import DEAD, NAME, SIGN
from synthgen.remote.listing import SLOTS, read_listing
from synthgen.remote.store import Store
from synthgen.storage import digest_folder, sealed_folder, write_whole

OURS = {*SLOTS, NAME}


def train(place, weights="weights"):
    """What a run makes before its shards, in its order."""
    with sealed_folder(place.state / "training" / "step-000000001") as folder:
        (folder / "model.safetensors").write_text(weights)
    with sealed_folder(place.model) as folder:
        (folder / "weights").write_text(weights)
    write_whole(place.judges / "judge.json", "{}")
    place.rest_on(weights)


def finish(place):
    """What a run leaves at its end."""
    write_whole(place.dataset / "data" / "a.parquet", "rows")
    write_whole(place.path / "report.html", "report")
    write_whole(place.state / "done", json.dumps(digest_folder(place.dataset)))


def kill(place):
    """As when its machine is gone: no further word, and its lease stays."""
    place.home._stop.set()
    place.home._end.set()
    for thread in place.home._threads:
        thread.join()
    place._lock.close()


def forget(address):
    """The lease's last sign is a minute old."""
    store = Store(address)
    found = json.loads(store.read(NAME))
    store.write(NAME, json.dumps({**found, "sign": found["sign"] - DEAD}).encode())


def wait_until(holds, seconds=20):
    until = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < until
        time.sleep(0.01)


def same(place, there):
    """Whether each file of the run is at the address, byte for byte, and no other."""
    own = {p.relative_to(place.path).as_posix(): p.read_bytes() for p in place.path.rglob("*") if p.is_file()}
    for name in ("state/lock", "state/run.txt"):
        own.pop(name, None)
    return own == {name: data for name, data in there().items() if name not in OURS}


def test_a_run_is_sent_and_comes_back_elsewhere(enter, there, elsewhere):
    with enter() as place:
        train(place)
        finish_shard(place, 0)
        place.recall("fidelity", lambda: 1)
        before = place.path
    assert same(place, there) and NAME not in there()
    elsewhere()
    with enter() as place:
        assert place.path != before and place.shard_is_sound(0) and place.recall("fidelity", lambda: 2) == 1
        assert not (place.state / "training").exists()  # a whole model needs no checkpoint
        finish_shard(place, 1)
    listing = read_listing(place.home.store)
    assert "state/shards/000001.parquet" in listing.files and "state/training/step-000000001/digests.json" in there()
    assert all(len(there()[name]) == size for name, (size, _) in listing.files.items())


def test_sending_goes_on_beside_the_work(enter, there):
    with enter() as place:
        assert {"state/recipe.json", NAME} < set(there())
        train(place)
        finish_shard(place, 3)
        wait_until(lambda: "state/shards/000003.json" in read_listing(place.home.store).files)
        assert place.home.name == "troubled://bucket/runs/digits"


def test_at_every_moment_what_counts_is_a_state_that_was(enter, there, elsewhere, monkeypatch):
    """A machine that is lost after any write: another one finds sound shards of the makers that are there."""
    monkeypatch.setattr(module, "EVERY", 1e9)
    moments = []
    Troubled.trouble = lambda call, path: call in WRITES and moments.append(dict(Troubled.store))
    with enter() as place:
        for number, weights in enumerate(("weights", "other weights")):
            shutil.rmtree(place.model, ignore_errors=True)
            train(place, weights)
            place.home.send()
            finish_shard(place, number, weights.encode())
            place.home.send()
        finish(place)
    Troubled.trouble = None
    assert len(moments) > 30
    for moment in moments[3:]:
        Troubled.store.clear()
        Troubled.store.update(moment)
        forget(place.home.address) if any(path.endswith(NAME) for path in moment) else None
        elsewhere()
        with enter() as found:
            sound = [number for number in (0, 1) if found.shard_is_sound(number)]
            makers = json.loads((found.path / MAKERS).read_text()) if (found.path / MAKERS).exists() else {}
            assert not sound or [("weights", "other weights")[number] for number in sound] == [makers["model"]]
            assert not found.is_finished() or len(sound) == 0 or sound == [1]
            found.home._stop.set()


def test_a_finished_run_brings_the_dataset_alone(enter, there, elsewhere):
    with enter() as place:
        train(place)
        finish_shard(place, 0)
        finish(place)
    before = there()
    elsewhere()
    with enter() as place:
        assert place.is_finished() and not place.model.exists() and not list(place.shards.iterdir())
    assert there() == before
    with enter(whole=True) as place:
        assert place.is_finished() and place.model.exists() and place.shard_is_sound(0)
    assert {name for name in there() if name not in OURS} == {name for name in before if name not in OURS}


@pytest.mark.parametrize(
    "name", ["state/shards/000000.parquet", "model/weights", "judges/judge.json", "dataset/data/a.parquet"]
)
@pytest.mark.parametrize("how", ["altered", "truncated", "gone"])
def test_what_was_damaged_there_is_noticed_and_made_anew(enter, there, elsewhere, address, name, how):
    with enter() as place:
        train(place)
        finish_shard(place, 0)
        finish(place)
    good = there()[name]
    if how == "gone":
        Store(address).delete([name])
    else:
        spoil(address, name, good[:-1] if how == "truncated" else None)
    elsewhere()
    with enter(whole=True) as place:
        assert not (place.path / name).exists()
        place.home.send()
        assert name not in there()
        write_whole(place.path / name, good)
    assert there()[name] == good and name in read_listing(place.home.store).files


def test_without_the_makers_nothing_that_rests_on_them_counts(enter, there, elsewhere, address):
    with enter() as place:
        train(place)
        finish_shard(place, 0)
        finish(place)
    spoil(address, MAKERS)
    elsewhere()
    with enter() as place:
        assert not place.shard_is_sound(0) and not place.is_finished() and place.model.exists()
    assert not [name for name in there() if name.startswith("state/shards/")]


def test_a_damaged_recipe_is_told(enter, address, elsewhere):
    with enter():
        pass
    spoil(address, "state/recipe.json")
    elsewhere()
    with pytest.raises(UserError, match="the recipe in 'troubled://.*' is damaged; use --fresh to start over"), enter():
        pass
    with enter(fresh=True):
        pass


def test_what_was_not_sent_yet_is_sent_by_the_same_machine(enter, there, monkeypatch):
    monkeypatch.setattr(module, "EVERY", 1e9)
    place = enter().__enter__()
    train(place)
    finish_shard(place, 0)
    kill(place)
    assert "model/weights" not in there()
    with enter() as place:
        assert place.shard_is_sound(0) and place.model.exists()
    assert same(place, there)


def test_the_url_decides_where_another_machine_went_on(enter, there, elsewhere, monkeypatch, tmp_path, address):
    """The first machine trained and told nobody; the second one trained otherwise, and finished a shard."""
    monkeypatch.setattr(module, "EVERY", 1e9)
    place = enter().__enter__()
    train(place, "mine")
    finish_shard(place, 0, b"mine")
    kill(place)
    forget(address)
    elsewhere()
    with enter() as other:
        train(other, "theirs")
        finish_shard(other, 1, b"theirs")
    monkeypatch.setenv("SYNTHGEN_CACHE", str(tmp_path / "cache"))
    with enter() as place:
        assert (place.model / "weights").read_text() == "theirs"
        assert not place.shard_is_sound(0) and place.shard_is_sound(1)
    assert same(place, lambda: {n: d for n, d in there().items() if not n.startswith("state/training")})


def test_a_copy_of_a_run_that_was_begun_anew_elsewhere_is_emptied(enter, elsewhere, monkeypatch, tmp_path, there):
    with enter() as place:
        train(place)
        finish_shard(place, 0)
    elsewhere()
    with enter(fresh=True):
        assert "model/weights" not in there() and "state/shards/000000.json" not in there()
    monkeypatch.setenv("SYNTHGEN_CACHE", str(tmp_path / "cache"))
    with enter() as place:
        assert not place.model.exists() and not place.shard_is_sound(0)


def test_a_url_that_was_emptied_empties_the_copy(enter):
    with enter() as place:
        train(place)
    Troubled.store.clear()
    with enter() as place:
        assert not place.model.exists()


def test_fresh_takes_another_recipe_and_nothing_else_does(enter, there):
    with enter() as place:
        train(place)
    before = there()
    with pytest.raises(UserError, match=r"'troubled://bucket/runs/digits' was made with another recipe: count"):
        enter("count=7").__enter__()
    assert there() == before
    with enter("count=7", fresh=True) as place:
        assert set(there()) - OURS == {"state/recipe.json"}
    assert json.loads(there()["state/recipe.json"])["count"] == 7


def test_another_recipe_is_welcome_where_nothing_was_made(enter, there, elsewhere):
    with enter():
        pass
    elsewhere()
    with enter("count=7"):
        pass
    assert json.loads(there()["state/recipe.json"])["count"] == 7
    elsewhere()
    with enter("count=7"):
        pass


def test_a_refused_run_leaves_nothing(enter, there, tmp_path):
    with pytest.raises(UserError, match="a typo"), enter() as place:
        place.expect("source", "1", "use --fresh")
        raise UserError("a typo")
    assert there() == {} and not place.path.exists()
    assert not Store(place.home.address)._opened[0].exists("troubled://bucket/runs/digits")


def test_what_was_made_before_a_refusal_is_there(enter, there):
    with pytest.raises(UserError, match="a typo"), enter() as place:
        train(place)
        raise UserError("a typo")
    assert "model/digests.json" in there() and NAME not in there()


def test_an_interruption_gives_the_place_back(enter, there, elsewhere):
    with pytest.raises(KeyboardInterrupt), enter() as place:
        train(place)
        raise KeyboardInterrupt
    assert NAME not in there()
    elsewhere()
    with enter():
        pass


def test_a_foreign_folder_is_left_alone(enter, there, address):
    Store(address).write("thesis.doc", b"x")
    for fresh in (False, True):
        with pytest.raises(UserError, match="'troubled://.*' holds 'thesis.doc' and is not a run's folder"):
            enter(fresh=fresh).__enter__()
    assert set(there()) == {"thesis.doc"}


def test_one_machine_at_a_time(enter, elsewhere, there):
    with enter() as place:
        with pytest.raises(UserError, match="another process is working in 'troubled://bucket/runs/digits'; wait"):
            enter().__enter__()  # on this machine
        elsewhere()
        with pytest.raises(UserError, match=r"another process is working in 'troubled://.*' \(.*, since .*\); wait"):
            enter().__enter__()
        finish_shard(place, 0)
    with enter():
        pass


def test_one_that_was_replaced_stops_before_it_writes(enter, elsewhere, there, address):
    place = enter().__enter__()
    train(place)
    place.home.send()
    forget(address)
    elsewhere()
    with enter() as other:
        wait_until(lambda: other.home.lease is not None)
        before = there()
        place.home.lease.signed -= SIGN
        write_whole(place.shard_path(0), "rows")
        wait_until(lambda: place.home.error is not None)
        with pytest.raises(
            UserError, match="another process is working .*; this one gave no sign of life for a minute"
        ):
            finish_shard(place, 0)
        with pytest.raises(UserError, match="was replaced"):
            place.__exit__()
        assert {name: data for name, data in there().items() if name != NAME} == {
            name: data for name, data in before.items() if name != NAME
        }
        assert NAME in there()


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


def test_a_store_that_refuses_at_the_start_is_told_before_any_work(enter, there, tmp_path):
    Troubled.trouble = refuse(PermissionError("Access Denied"), *WRITES)
    with pytest.raises(UserError, match="is refused to you"):
        enter().__enter__()
    assert there() == {} and not list((tmp_path / "cache" / "runs").iterdir())


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
    assert load("classification").sha256 == place.recipe.sha256
