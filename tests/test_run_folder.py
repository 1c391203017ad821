"""What is on disk of a run, and what of it is trusted."""

import json
import shutil
import threading
import time

import pytest

from synthgen.errors import UserError
from synthgen.recipe import load
from synthgen.run_folder import RunFolder
from synthgen.storage import digest_bytes, sealed_folder, write_whole


@pytest.fixture
def recipe():
    return load("classification")


@pytest.fixture
def place(recipe, tmp_path):
    with RunFolder(tmp_path / "run", recipe, fresh=False) as run:
        yield run


def again(place, fresh=False, *changes):
    place.__exit__()
    return RunFolder(place.path, load("classification", list(changes)), fresh)


def finish_shard(place, number, data=b"rows"):
    write_whole(place.shard_path(number), data)
    place.finish_shard(number, digest_bytes(data), {"sample": 1.5})


def test_one_process_at_a_time(place, recipe):
    with pytest.raises(UserError, match="another process is working"), RunFolder(place.path, recipe, False):
        pass
    with again(place):
        pass


def test_a_refused_start_gives_the_lock_back(place):
    finish_shard(place, 0)
    other = again(place, False, "count=7")
    with pytest.raises(UserError) as refused, other:
        pass
    assert "count" in str(refused.value) and "--fresh" in str(refused.value)
    with again(place):
        pass


def test_a_run_that_was_refused_before_it_made_anything_leaves_nothing(recipe, tmp_path):
    with pytest.raises(UserError, match="a typo"), RunFolder(tmp_path / "runs" / "digits", recipe, False) as run:
        run.expect("source", "1", "use --fresh")
        raise UserError("a typo")
    assert list(tmp_path.iterdir()) == []
    tmp_path.joinpath("mine").mkdir()
    with pytest.raises(UserError, match="a typo"), RunFolder(tmp_path / "mine", recipe, False):
        raise UserError("a typo")
    assert [path.name for path in tmp_path.rglob("*")] == ["mine", "state"]


def test_what_was_made_before_a_refusal_stays(recipe, tmp_path):
    with pytest.raises(UserError, match="a typo"), RunFolder(tmp_path / "run", recipe, False) as run:
        finish_shard(run, 0)
        raise UserError("a typo")
    with RunFolder(tmp_path / "run", recipe, False) as run:
        assert run.shard_is_sound(0)


def test_another_recipe_is_welcome_where_nothing_was_made(place):
    place.expect("source", "1", "use --fresh")
    with again(place, False, "count=7") as run:
        run.expect("source", "2", "use --fresh")
        assert json.loads((run.state / "recipe.json").read_text())["count"] == 7


def test_a_damaged_recipe_is_told(place):
    (place.state / "recipe.json").write_text('{"name"')
    with pytest.raises(UserError, match="recipe.json.* is damaged; use --fresh"), again(place):
        pass


def test_fresh_takes_another_recipe_and_keeps_nothing(place):
    finish_shard(place, 0)
    place.recall("fidelity", lambda: 1)
    for folder in (place.dataset, place.model, place.judges, place.labels, place.state / "training"):
        folder.mkdir(exist_ok=True)
        (folder / "file").touch()
    (place.path / "preview.png").touch()
    with again(place, True, "count=7") as fresh:
        left = {path.relative_to(fresh.path).as_posix() for path in fresh.path.rglob("*") if path.is_file()}
        assert left == {"state/lock", "state/recipe.json"}
        assert json.loads((fresh.state / "recipe.json").read_text())["count"] == 7


def test_fresh_that_is_cut_short_leaves_nothing_of_unknown_making(place, monkeypatch):
    """Whenever it stops, the recipe is still there, and so is all that a thing which is left was made from."""
    finish_shard(place, 0)
    write_whole(place.state / "done", "{}")
    for folder in (place.dataset, place.model, place.judges, place.labels, place.state / "training"):
        folder.mkdir(exist_ok=True)
        (folder / "file").touch()
    order = []
    delete = shutil.rmtree

    def watched(path, *rest, **options):
        order.append(path.name)
        delete(path, *rest, **options)
        assert (place.state / "recipe.json").exists()

    monkeypatch.setattr(shutil, "rmtree", watched)
    with again(place, True):
        pass
    assert order.index("shards") < order.index("model") < order.index("training")
    assert order.index("dataset") < order.index("shards") < order.index("judges")


@pytest.mark.parametrize("stranger", ["thesis.doc", "data"])
def test_a_foreign_folder_is_left_alone(recipe, tmp_path, stranger):
    (tmp_path / stranger).mkdir()
    with pytest.raises(UserError, match=f"{stranger}.*is not a run's folder"), RunFolder(tmp_path, recipe, True):
        pass
    assert [path.name for path in tmp_path.iterdir()] == [stranger]


def test_a_file_is_no_folder(recipe, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="is a file"), RunFolder(tmp_path / "file", recipe, False):
        pass


@pytest.mark.parametrize("data", [b"row", b"rowS", None], ids=["truncated", "altered", "missing"])
def test_a_damaged_shard_is_deleted(place, data):
    finish_shard(place, 3)
    assert place.shard_is_sound(3) and place.shard_seconds(3) == {"sample": 1.5}
    place.shard_path(3).unlink()
    if data is not None:
        place.shard_path(3).write_bytes(data)
    assert not place.shard_is_sound(3)
    assert list(place.shards.iterdir()) == []


def test_a_shard_without_its_digest_is_not_trusted(place):
    finish_shard(place, 3)
    place.shard_path(3).with_suffix(".json").write_text('{"seconds"')
    assert not place.shard_is_sound(3)
    assert list(place.shards.iterdir()) == []


def test_recall_computes_once_and_again_when_the_memory_is_damaged(place):
    asked = []

    def compute():
        asked.append(1)
        return {"value": len(asked)}

    assert place.recall("a/b", compute) == place.recall("a/b", compute) == {"value": 1}
    (place.state / "memory" / "a-b.json").write_text('{"val')
    assert place.recall("a/b", compute) == {"value": 2}


def test_an_answer_that_changed_is_refused(place):
    place.expect("source", "1", "use --fresh")
    place.expect("source", "1", "use --fresh")
    with pytest.raises(UserError, match="source: it changed since this run began; use --fresh"):
        place.expect("source", "2", "use --fresh")


def test_shards_of_another_model_are_not_kept(place):
    place.rest_on("model 1")
    finish_shard(place, 0)
    place.recall("fidelity", lambda: 1)
    place.rest_on("model 1")
    assert place.shard_is_sound(0)
    place.rest_on("model 2")
    assert not place.shard_path(0).exists() and not (place.state / "memory").exists() and place.shards.is_dir()


def test_an_altered_judge_is_deleted_at_the_next_start(place):
    for folder in (place.judges, place.labels):
        folder.mkdir()
        (folder / "weights").write_text("1")
    place.rest_on("model 1")
    with again(place) as second:
        assert (second.judges / "weights").exists()
        (second.judges / "weights").write_text("2")
    with again(place) as third:
        assert not third.judges.exists() and (third.labels / "weights").exists()


def test_a_finished_dataset_is_known_by_its_rows_and_report(place):
    assert not place.is_finished()
    for name in ("data/train.parquet", "report.json", "README.md"):
        write_whole(place.dataset / name, name)
    write_whole(
        place.state / "done", json.dumps({n: digest_bytes(n.encode()) for n in ("data/train.parquet", "README.md")})
    )
    assert not place.is_finished()  # the page is missing
    write_whole(place.path / "report.html", "page")
    assert place.is_finished()
    (place.dataset / "README.md").write_text("a better card")
    assert place.is_finished()
    (place.dataset / "data" / "train.parquet").write_text("others")
    assert not place.is_finished()


def test_leftovers_of_a_kill_are_cleared(place):
    names = (".dataset.tmp", "state/.done.5.tmp", "state/shards/.000001.parquet.5.tmp", "judges/.judge.json.5.tmp")
    for name in names:
        write_whole(place.path / name / "file" if name == ".dataset.tmp" else place.path / name, "")
    with again(place) as second:
        assert not any((second.path / name).exists() for name in names)


def test_the_clock_adds_up_processes_and_forgives_a_line_cut_short(place):
    entries = [(1, 10, "start"), (1, 14, "shard"), (2, 100, "start"), (2, 103, "done"), (3, 200, "shard")]
    lines = [json.dumps({"process": p, "time": t, "event": e}) for p, t, e in entries]
    (place.state / "log.jsonl").write_text("\n".join([*lines[:2], '{"time": 17, "proc', *lines[2:], ""]))
    assert place.seconds_so_far() == 7


def test_a_run_of_an_earlier_version_goes_on(tmp_path):
    """Fields that came since have their defaults in it; one that was set differently is another recipe."""
    recipe = load("classification")
    with RunFolder(tmp_path / "run", recipe, fresh=False) as place:
        (place.model / "x").mkdir(parents=True)
    written = tmp_path / "run" / "state" / "recipe.json"
    earlier = json.loads(written.read_text())
    del earlier["serve"], earlier["sample"]["seed"]
    written.write_text(json.dumps(earlier))
    with RunFolder(tmp_path / "run", recipe, fresh=False):
        pass
    with pytest.raises(UserError, match="serve.most_rows: 1024 -> 5"):
        RunFolder(tmp_path / "run", load("classification", ["serve.most_rows=5"]), fresh=False).__enter__()


def test_whoever_is_patient_gets_the_folder_once_it_is_free(place, recipe):
    began = time.monotonic()
    with pytest.raises(UserError, match="another process"), RunFolder(place.path, recipe, False, patience=0.3):
        pass
    assert 0.3 <= time.monotonic() - began < 10
    threading.Timer(0.3, place.__exit__).start()
    with RunFolder(place.path, recipe, False, patience=30) as run:
        assert run.state.is_dir()


def test_a_folder_that_is_taken_away_meanwhile_is_made_again(place, recipe):
    """Whoever held it was refused and left nothing behind."""

    def leave():
        shutil.rmtree(place.path)
        place.__exit__()

    threading.Timer(0.3, leave).start()
    with RunFolder(place.path, recipe, False, patience=30) as run:
        with pytest.raises(UserError, match="another process"), RunFolder(place.path, recipe, False):
            pass
        assert (run.state / "recipe.json").is_file()


def equip(place):
    """A model, a judge and what the report shows of the training."""
    with sealed_folder(place.model) as folder:
        (folder / "weights").write_text("model")
    for name in ("judges/judge.json", "state/looks/step-1.npz"):
        write_whole(place.path / name, name)
    place.expect("source", "1", "use --fresh")
    place.rest_on("model 1")


def test_a_folder_is_equipped_once_all_is_there_as_it_was_written(place, recipe):
    other = RunFolder(place.path, recipe, False)
    assert not other.is_equipped()
    equip(place)
    assert other.is_equipped()
    assert not RunFolder(place.path, load("classification", ["count=7"]), False).is_equipped()
    write_whole(place.judges / "judge.json", "another")
    assert not other.is_equipped()


def test_what_is_inherited_is_the_same_files_and_stands_on_its_own(place, tmp_path):
    equip(place)
    with RunFolder(tmp_path / "heir", load("classification", ["count=7"]), False) as heir:
        (heir.path / ".model.5.tmp").mkdir()  # of an earlier try that was killed
        heir.inherit(place.path)
        assert heir.is_equipped() and (heir.model / "weights").samefile(place.model / "weights")
        heir.expect("source", "1", "use --fresh")
        finish_shard(heir, 0)
        heir.rest_on("model 1")
        assert heir.shard_is_sound(0), "shards rest on the same model"
        write_whole(place.judges / "judge.json", "another")
        shutil.rmtree(place.model)
        heir.inherit(place.path)
        assert heir.is_equipped() and (heir.state / "looks" / "step-1.npz").is_file()
    with RunFolder(heir.path, heir.recipe, False) as heir:
        assert heir.is_equipped() and heir.shard_is_sound(0)
