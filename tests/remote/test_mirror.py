"""A run whose home is a URL: who may work there, and what is left of a start that was refused."""

import json

import pytest
from troubled import OURS, WRITES, Troubled, finish_shard, forget, refuse, same, train, wait_until

from synthgen.errors import UserError
from synthgen.remote.lease import NAME, SIGN
from synthgen.remote.listing import read_listing
from synthgen.remote.store import Store
from synthgen.storage import write_whole


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


def test_a_store_that_refuses_at_the_start_is_told_before_any_work(enter, there, tmp_path):
    Troubled.trouble = refuse(PermissionError("Access Denied"), *WRITES)
    with pytest.raises(UserError, match="is refused to you"):
        enter().__enter__()
    assert there() == {} and not list((tmp_path / "cache" / "runs").iterdir())
