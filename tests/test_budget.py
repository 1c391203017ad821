"""Whether pretrained bases fit, before any of their weights is read."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from pipelines import write_pipeline

from synthgen import budget, doctor, hardware, pipeline, shelf
from synthgen.budget import change, count_workers, estimate_needs, find_misfit, price, taken_in_all
from synthgen.errors import UserError
from synthgen.estimate import estimate
from synthgen.hardware import GIB, Gpu, Hardware
from synthgen.recipe import Recipe, load

TEXT = """
name: x
task: classification
count: 100
source: {kind: builtin, name: digits}
train: {seconds: null, steps: 10, batch_size: 8, precision: fp32}
sample: {batch_size: 8, precision: fp32}
"""
ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A base as it is described, with weights that cannot be read."""
    folder = tmp_path_factory.mktemp("bases")
    write_pipeline("sdxl", folder / "sdxl")
    for path in (folder / "sdxl").rglob("*.safetensors"):
        path.write_bytes(b"")
    (folder / "x.yaml").write_text(TEXT)
    return folder


def recipe_of(folder: Path, *changes: str) -> Recipe:
    return load(str(folder / "x.yaml"), [f"model.base={folder / 'sdxl'}", "model.size=64", *changes])


def machine(*, gpu: float | None = None, memory: float = 64.0) -> Hardware:
    """With so much free, in GiB."""
    gpus = () if gpu is None else (Gpu("one", 24.0, gpu, True),)
    return Hardware("Linux", "x", 2, memory, memory, False, gpus, {})


def gib_for(taken: int) -> float:
    return (taken_in_all(taken) + 1000) / GIB


def settings(problem: str) -> dict[str, object]:
    told = re.findall(r"([a-z]+\.[a-z_]+)=(\S+)", problem)
    return {name: json.loads(value) if value[0].isdigit() or value == "true" else value for name, value in told}


def test_recipes_without_a_pretrained_image_base_are_left_to_the_usual_estimate(folder: Path) -> None:
    assert estimate_needs(load(str(folder / "x.yaml"))) is None
    assert estimate_needs(load("translation")) is None
    assert find_misfit(load(str(folder / "x.yaml")), machine(memory=0.001)) == ""
    own = folder / "run" / "model"
    own.mkdir(parents=True)
    (own / "model_index.json").write_text('{"_class_name": "RowPipeline"}')
    for base in (own, own.parent):
        assert estimate_needs(load(str(folder / "x.yaml"), [f"model.base={base}"])) is None


def test_what_fits_is_not_refused(folder: Path) -> None:
    recipe = recipe_of(folder)
    assert find_misfit(recipe, machine()) == "" == find_misfit(recipe, machine(gpu=20.0))


@pytest.mark.parametrize("on_gpu", [True, False])
def test_the_largest_batch_that_fits_is_named(folder: Path, on_gpu: bool) -> None:
    recipe = recipe_of(folder, "sample.batch_size=1", "train.batch_size=64")
    needs = estimate_needs(recipe, machine(gpu=1.0 if on_gpu else None))
    assert needs is not None and needs.train_with(16) > max(needs.sample, needs.fixed)
    room = gib_for(needs.train_with(16))
    here = machine(gpu=room) if on_gpu else machine(memory=room)
    problem = find_misfit(recipe, here)
    assert problem.startswith("train.batch_size: training needs about ")
    assert ("GPU memory" in problem) == on_gpu
    found = settings(problem)
    assert found == {"train.batch_size": 16, "train.accumulate": 4}
    assert find_misfit(change(recipe, found), here) == ""
    assert find_misfit(change(recipe, {"train.batch_size": 32}), here) != ""


def test_lora_is_named_where_no_batch_fits(folder: Path) -> None:
    recipe = recipe_of(folder, "model.adapt=full", "model.size=16", "sample.batch_size=1", "train.batch_size=2")
    full, lora = (estimate_needs(r, machine(gpu=1.0)) for r in (recipe, change(recipe, {"model.adapt": "lora"})))
    assert full is not None and lora is not None and max(lora.train, lora.sample, lora.fixed) < full.train_with(1)
    here = machine(gpu=gib_for(full.train_with(1) - 2000))
    found = settings(find_misfit(recipe, here))
    assert found["model.adapt"] == "lora" and find_misfit(change(recipe, found), here) == ""


def test_fewer_drawn_rows_are_named_where_sampling_is_short(folder: Path) -> None:
    recipe = recipe_of(folder, "train.batch_size=1", "sample.batch_size=256")
    needs = estimate_needs(recipe, machine(gpu=1.0))
    assert needs is not None
    here = machine(gpu=gib_for(needs.sample_with(64)))
    problem = find_misfit(recipe, here)
    assert problem.startswith("sample.batch_size: sampling needs about ")
    assert settings(problem) == {"sample.batch_size": 64}


def test_what_cannot_fit_is_told_what_it_needs(folder: Path) -> None:
    problem = find_misfit(recipe_of(folder), machine(gpu=0.0))
    assert re.fullmatch(r"model\.base: fine-tuning \S+ needs about .* of GPU memory at the least, .* so much", problem)
    assert "of memory at the least" in find_misfit(recipe_of(folder), machine(gpu=20.0, memory=0.0))


@pytest.fixture
def short_of_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (hardware, pipeline):
        monkeypatch.setattr(module, "look", lambda: machine(memory=0.66))


@pytest.mark.usefixtures("short_of_memory")
def test_run_and_validate_refuse_before_weights_are_read(folder: Path, tmp_path: Path) -> None:
    recipe = recipe_of(folder, "train.batch_size=64")
    with pytest.raises(UserError, match=r"memory"):
        doctor.examine(recipe, tmp_path)
    with pytest.raises(UserError, match=r"memory") as told:
        pipeline.run(recipe, tmp_path / "run")
    assert "\n" not in str(told.value) and not (tmp_path / "run" / "model").exists()


def test_validate_tells_of_the_base(folder: Path, tmp_path: Path) -> None:
    told = doctor.examine(recipe_of(folder), tmp_path)
    assert re.search(r"base +UNet2DConditionModel, 0\.\d M parameters, 0\.\d\d M trained", told)
    assert re.search(r"about \S+ \S+ to train, \S+ \S+ to sample, \S+ \S+ to load", told)


def test_doctor_asks_an_absent_hub_once(folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked = []

    def open_away(name: str, revision: str | None) -> None:
        asked.append(name)
        raise UserError(f"model.base: {name} could not be loaded")

    shipped = {}
    for name in ("one", "two"):
        shipped[name] = tmp_path / f"{name}.yaml"
        shipped[name].write_text(TEXT + f"model: {{base: someone/{name}}}\n")
    shipped["here"] = tmp_path / "here.yaml"
    shipped["here"].write_text(TEXT + f"model: {{base: {folder / 'sdxl'}, size: 16}}\n")
    monkeypatch.setattr(shelf, "shipped", lambda: shipped)
    monkeypatch.setattr(doctor, "load", lambda name: load(str(shipped[name])))
    real = budget.open_image_base
    monkeypatch.setattr(budget, "open_image_base", lambda n, r: open_away(n, r) if "someone" in n else real(n, r))
    lines = {line.split()[0]: line for line in doctor.look_over(tmp_path).splitlines() if line.strip()}
    assert asked == ["someone/one"]
    for name in ("one", "two"):
        assert re.search(rf"{name} +\? .*someone/{name}, .*needs the network", lines[name])
    assert re.search(r"here +yes +about", lines["here"])


def test_time_follows_the_operations(folder: Path) -> None:
    def seconds(*changes: str, speed: float = 50.0) -> tuple[float, float]:
        recipe, here = recipe_of(folder, *changes), machine()
        needs = estimate_needs(recipe, here)
        assert needs is not None
        cost = price(estimate(recipe, here, speed), needs, here, speed, 0.0)
        return cost.train, cost.sample

    train, sample = seconds()
    assert seconds("train.steps=20")[0] == pytest.approx(2 * train)
    assert seconds("train.accumulate=3")[0] == pytest.approx(3 * train)
    assert seconds(speed=25.0)[0] == pytest.approx(2 * train)
    assert seconds("train.seconds=1e-9")[0] == pytest.approx(1e-9)
    assert 2 * sample < seconds("sample.steps=30")[1] < 3.01 * sample
    assert seconds("sample.guidance=2.0", "train.drop=0.1")[1] > 1.5 * sample


def test_two_threads_draw_with_a_base_on_a_gpu(folder: Path) -> None:
    recipe, small = recipe_of(folder), load(str(folder / "x.yaml"))
    assert count_workers(recipe, machine(gpu=20.0)) == count_workers(recipe, machine()) == 2
    assert count_workers(small, Hardware("Linux", "x", 16, 8.0, 8.0, False, (Gpu("g", 8.0, 8.0, True),), {})) == 16


@pytest.mark.slow
def test_a_training_takes_about_what_was_estimated(tmp_path: Path) -> None:
    """The peak of a process that trains a widened base, without what it had before."""
    sys.path.insert(0, str(ROOT / "benchmarks"))
    import adapters

    adapters.write_bases(tmp_path, (96, 192))
    command = [sys.executable, adapters.__file__, "--one", "lora", "--bases", str(tmp_path)]
    told = subprocess.run(
        command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=adapters.environment()
    ).stdout
    found = json.loads(told.splitlines()[-1])
    assert found["peak"] - found["before"] > 50
    assert 0.75 < found["estimated"] / (found["peak"] - found["before"]) < 1.5
