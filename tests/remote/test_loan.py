"""What replicas take of a run that another process holds."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from troubled import Troubled, finish_shard, spoil

from synthgen.errors import UserError
from synthgen.remote.loan import borrow
from synthgen.storage import is_sound, sealed_folder, write_whole


@pytest.fixture
def lent(enter):
    """A run with a model and a shard, that is left."""
    with enter() as place:
        with sealed_folder(place.model) as folder:
            (folder / "weights").write_text("weights")
        write_whole(place.judges / "judge.json", "{}")
        place.rest_on("weights")
        finish_shard(place, 0)
    return place


def files(folder):
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_what_makes_rows_comes_whole(lent, address, elsewhere):
    elsewhere()
    folder = borrow(address)
    made = {"state/recipe.json", "state/makers.json", "judges/judge.json", "model/weights", "model/digests.json"}
    assert files(folder) == made and is_sound(folder / "model")
    assert borrow(address, "state/shards/000000.parquet", "state/shards/000009.parquet") == folder
    assert files(folder) == made | {"state/shards/000000.parquet"}


def test_several_at_once_share_it(lent, address, elsewhere):
    elsewhere()
    fetched = []
    Troubled.trouble = lambda call, path: call == "get_file" and fetched.append(path)
    with ThreadPoolExecutor(4) as pool:
        folders = set(pool.map(lambda _: borrow(address), range(4)))
    assert len(folders) == 1 and len(fetched) == len(set(fetched)) == 5


def test_a_damaged_copy_is_mended(lent, address, elsewhere):
    elsewhere()
    (borrow(address) / "model" / "weights").write_text("others")
    assert is_sound(borrow(address) / "model")


def test_what_is_damaged_there_is_told(lent, address, elsewhere):
    spoil(address, "model/weights")
    elsewhere()
    with pytest.raises(UserError, match="'model/weights' in 'troubled://.*' is damaged or changes just now"):
        borrow(address)


def test_another_model_is_another_loan(lent, address, enter):
    first = borrow(address)
    with enter(fresh=True) as place, sealed_folder(place.model) as folder:
        (folder / "weights").write_text("others")
    assert borrow(address) != first and (first / "model" / "weights").read_text() == "weights"


def test_an_address_without_a_run_is_told(address):
    with pytest.raises(
        UserError, match="^--out: 'troubled://.*' is not a run's folder; name one that `synthgen run` made"
    ):
        borrow(address)
