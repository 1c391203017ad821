from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from synthgen import __version__, shelf
from synthgen.errors import Interrupted, UserError

HEAVY = ("torch", "ray", "pydantic", "yaml", "numpy", "rich", "jinja2", "datasets", "diffusers", "fsspec")


def _python(code: str, **more: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, **more)


@pytest.mark.parametrize("code", ["import synthgen", "from synthgen.cli import main; main(['--help'])"])
def test_help_imports_nothing_heavy(code: str) -> None:
    done = _python(f"{code}\nimport sys\nprint('loaded', [name for name in {HEAVY} if name in sys.modules])")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "loaded []"


@pytest.mark.slow
def test_help_costs_little_more_than_typer() -> None:
    commands = {"help": ("-m", "synthgen", "--help"), "typer": ("-c", "import typer")}
    took: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(15):  # in turns, so that a busy machine slows both
        for name, words in commands.items():
            began = time.perf_counter()
            subprocess.run([sys.executable, *words], stdout=subprocess.DEVNULL, check=True)
            took[name].append(time.perf_counter() - began)
    assert min(took["help"]) <= 1.5 * min(took["typer"])


def test_help_names_every_command(command: Callable[..., Any]) -> None:
    outcome = command("--help")
    assert outcome.code == 0
    for name in ("run", "preview", "validate", "tasks", "recipes", "schema", "doctor"):
        assert f"  {name} " in outcome.out
        assert command(name, "--help").code == 0


def test_version(command: Callable[..., Any]) -> None:
    assert command("--version").out == f"synthgen {__version__}\n"


@pytest.mark.parametrize(
    "words",
    [["rum"], ["run"], ["run", "x", "y"], ["run", "--no-such"], ["run", "segmentation", "--replicas", "0"],
     ["run", "segmentation", "--replicas", "two"], ["preview", "segmentation", "-n", "0"],
     ["preview", "segmentation", "-n", "1000000"], ["run", "segmentation", "--set"], ["schema", "--output", "no/file"],
     ["run", "segmentation", "--engine", "x"], ["schema", "--output", "."]],
)  # fmt: skip
def test_wrong_words(
    words: list[str], command: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    outcome = command(*words)
    assert outcome.code == 2, outcome
    assert outcome.out == ""
    assert outcome.err.startswith("synthgen: ") and len(outcome.err.splitlines()) == 1
    assert not os.listdir()


@pytest.mark.parametrize(
    "words, said",
    [
        (("--engine", "x"), "--engine: 'x' is not an engine; use local or ray"),
        (("--replicas", "two"), "--replicas: 'two' is no number"),
        (("--replicas", "0"), "--replicas: '0' is not in 1 to 1024"),
        (("--replicas", "2-4"), "--replicas: '2-4' are bounds for --engine ray; write a number"),
        (("--engine", "ray", "--replicas", "4-2"), "--replicas: '4-2' is not in 1 to 1024, the smaller number first"),
        (("--ray-address", "auto"), "--ray-address: 'auto' is for --engine ray"),
        (("--gpus-per-replica", "0.5"), "--gpus-per-replica: 0.5 is for --engine ray"),
    ],
)
def test_wrong_engines_are_named(command: Callable[..., Any], words: tuple[str, ...], said: str) -> None:
    outcome = command("run", "segmentation", *words)
    assert outcome.code == 2 and said in outcome.err


def test_tasks(command: Callable[..., Any]) -> None:
    outcome = command("tasks")
    assert outcome.code == 0
    for name in ("classification", "segmentation"):
        assert any(line.startswith(name) and line.endswith("installed") for line in outcome.out.splitlines())


def test_recipes_lists_what_is_shipped(command: Callable[..., Any]) -> None:
    outcome = command("recipes")
    assert outcome.code == 0
    for name in shelf.shipped():
        assert name in outcome.out.splitlines()


def test_opening_is_the_comment_without_the_editors_line(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_text("# yaml-language-server: $schema=x\n# What.\n#\n# Cost.\nname: x\n# not this\n")
    assert shelf.opening(path) == ["What.", "Cost."]


def test_schema(command: Callable[..., Any], tmp_path: Path) -> None:
    shown = command("schema")
    assert shown.code == 0
    assert command("schema", "--output", tmp_path / "s.json").out == ""
    assert json.loads(shown.out) == json.loads((tmp_path / "s.json").read_text())


def test_doctor(command: Callable[..., Any], tmp_path: Path) -> None:
    outcome = command("doctor", "--out", tmp_path / "none")
    assert outcome.code == 0
    for word in ("memory", "bf16", "disk", "torch", "recipe"):
        assert word in outcome.out
    for name in shelf.shipped():
        assert any(line.startswith(name + " ") for line in outcome.out.splitlines())
    assert not (tmp_path / "none").exists()


def test_validate_tells_time_and_writes_nothing(command: Callable[..., Any], tmp_path: Path) -> None:
    recipe = tmp_path / "x.yaml"
    recipe.write_text("name: x\ntask: classification\ncount: 10\nsource: {kind: builtin, name: digits}\n")
    outcome = command("validate", recipe, "--out", tmp_path / "run")
    assert outcome.code == 0, outcome
    assert "about" in outcome.out and "digits" in outcome.out
    assert os.listdir(tmp_path) == ["x.yaml"]


def test_validate_refuses_what_the_disk_cannot_hold(
    command: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = tmp_path / "x.yaml"
    recipe.write_text("name: x\ntask: classification\ncount: 10\nsource: {kind: builtin, name: digits}\n")
    monkeypatch.setattr("synthgen.hardware.free_disk", lambda folder: 1000)
    outcome = command("validate", recipe)
    assert outcome.code == 2
    assert "disk" in outcome.err


def test_validate_refuses_the_source_of_another_task(command: Callable[..., Any], tmp_path: Path) -> None:
    recipe = tmp_path / "x.yaml"
    recipe.write_text("name: x\ntask: segmentation\ncount: 10\nsource: {kind: builtin, name: digits}\n")
    outcome = command("validate", recipe)
    assert outcome.code == 2
    assert "source.name: 'digits' is not a built-in source of the task 'segmentation'" in outcome.err


def test_validate_reads_the_data_and_asks_for_labels(command: Callable[..., Any], tmp_path: Path) -> None:
    recipe = tmp_path / "x.yaml"
    recipe.write_text("name: x\ntask: classification\ncount: 10\nsource: {kind: builtin, name: digits}\n")
    assert "970 rows to train on, 108 for choices, 719 held out" in command("validate", recipe).out
    outcome = command("validate", recipe, "--set", "conditions.balance={nope: 1}")
    assert outcome.code == 2 and "conditions.balance: 'nope' is not a class" in outcome.err
    (tmp_path / "one.csv").write_text("image,label\nnothing.png,cat\n")
    own = ["--set", "source.kind=files", "--set", f"source.path={tmp_path / 'one.csv'}"]
    outcome = command("validate", recipe, *own)
    assert outcome.code == 2 and "the only row cannot be used" in outcome.err
    outcome = command("run", recipe, *own, "--out", tmp_path / "run")
    assert outcome.code == 2 and not (tmp_path / "run").exists()


def _fail_with(error: BaseException, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> str:
        raise error

    monkeypatch.setattr(shelf, "list_recipes", fail)


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (UserError("count: 0 is\ntoo \x1b[31msmall"), 2, r"count: 0 is too \x1b[31msmall"),
        (OSError(errno.ENOSPC, "No space left on device", "/x"), 2, "disk is full"),
        (RuntimeError("SafetensorError: I/O error: No space left on device (os error 28)"), 2, "disk is full"),
        (PermissionError(errno.EACCES, "Permission denied", "/x"), 2, "'/x' may not be read or written"),
        (OSError(errno.EROFS, "Read-only file system", "/x"), 2, "read-only"),
        (NotADirectoryError(errno.ENOTDIR, "Not a directory", "/x"), 2, "not a folder"),
        (Interrupted(), 130, "to go on, run: synthgen recipes"),
        (KeyboardInterrupt(), 130, "to go on, run: synthgen recipes"),
        (ValueError("boom\nsecond line"), 1, "ValueError: boom;"),
        (AssertionError(), 1, "AssertionError;"),
    ],
)
def test_exit_codes(
    error: BaseException,
    code: int,
    words: str,
    command: Callable[..., Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    _fail_with(error, monkeypatch)
    outcome = command("recipes")
    assert (outcome.code, outcome.out) == (code, "")
    assert words in outcome.err and len(outcome.err.splitlines()) == 1
    assert "Traceback" not in outcome.err


def test_our_fault_keeps_the_traceback_in_a_file(
    command: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    _fail_with(ValueError("boom"), monkeypatch)
    outcome = command("recipes")
    (log,) = tmp_path.iterdir()
    assert str(log) in outcome.err
    assert "Traceback" in log.read_text() and "boom" in log.read_text()


def test_debug_shows_the_traceback() -> None:
    done = _python(
        "from synthgen import shelf, cli\nshelf.list_recipes = lambda: 1 / 0\ncli.main(['recipes'])",
        env={**os.environ, "SYNTHGEN_DEBUG": "1"},
    )
    assert done.returncode == 1
    assert "Traceback" in done.stderr and "ZeroDivisionError" in done.stderr


def test_going_on_never_starts_over(capsys: pytest.CaptureFixture[str]) -> None:
    from synthgen.cli import _interrupted

    assert _interrupted(["run", "my recipe.yaml", "--fresh"]) == 130
    assert capsys.readouterr().err.endswith("to go on, run: synthgen run 'my recipe.yaml'\n")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_end_with_130(number: signal.Signals) -> None:
    code = (
        "import sys, time\nfrom synthgen import shelf, cli\n"
        "def wait():\n    print('ready', flush=True)\n    time.sleep(60)\n"
        "shelf.list_recipes = wait\nsys.exit(cli.main(['recipes']))"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None and child.stdout.readline() == "ready\n"
        child.send_signal(number)
        _, err = child.communicate(timeout=30)
    assert child.returncode == 130
    assert err == "synthgen: interrupted; what is finished is kept; to go on, run: synthgen recipes\n"


def test_signal_handler_is_given_back(command: Callable[..., Any]) -> None:
    before = signal.getsignal(signal.SIGTERM)
    command("recipes")
    assert signal.getsignal(signal.SIGTERM) is before
