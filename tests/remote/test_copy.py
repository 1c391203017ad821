"""What another machine makes of a run at a URL, and which of the two is believed."""

import json
import shutil

import pytest
from troubled import OURS, WRITES, Troubled, finish, finish_shard, forget, kill, same, spoil, train

from synthgen.errors import UserError
from synthgen.remote import mirror as module
from synthgen.remote.copy import MAKERS
from synthgen.remote.lease import NAME
from synthgen.remote.listing import read_listing
from synthgen.remote.store import Store
from synthgen.storage import write_whole


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


def test_the_longer_log_is_kept(enter, elsewhere, there, monkeypatch, tmp_path):
    with enter() as place:
        train(place)
        place.log("first")
    elsewhere()
    with enter() as place:
        place.log("second")
        finish(place)
    told = there()["state/log.jsonl"]
    assert b"first" in told and b"second" in told
    monkeypatch.setenv("SYNTHGEN_CACHE", str(tmp_path / "cache"))
    with enter() as place:
        assert place.is_finished()
    assert there()["state/log.jsonl"] == told
    with enter(whole=True) as place:
        place.log("third")
    assert there()["state/log.jsonl"].startswith(told) and b"third" in there()["state/log.jsonl"]
