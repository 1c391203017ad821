"""The commands. No logic: each one reads its words, calls one function and says what came of it.

Importing this module costs no more than importing typer: everything else is imported when a command needs it.
Exit codes: 0 done; 2 the user's mistake, in one sentence; 1 ours; 130 interrupted, and a second call goes on.

    synthgen run segmentation --set count=500
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from . import __version__
from .errors import Interrupted, UserError

app = typer.Typer(
    name="synthgen",
    help="Annotated datasets from conditional diffusion models, with a measurement of what they are worth.",
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    add_completion=False,
    no_args_is_help=True,
)

ENGINES = ("local", "ray")
RANK = "RANK"  # of the environment: which of several processes this is, by what started them
RecipeName = Annotated[str, typer.Argument(metavar="RECIPE", help="A YAML file, or the name of a shipped recipe.")]
Changes = Annotated[list[str] | None, typer.Option("--set", metavar="A.B=C", help="Change a field of the recipe.")]
Out = Annotated[
    str | None, typer.Option("--out", metavar="DIR|URL", help="The run's folder, or s3://…; default: runs/<name>.")
]


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"synthgen {__version__}")
        raise typer.Exit


@app.callback()
def synthgen(
    version: Annotated[
        bool, typer.Option("--version", help="Show the version.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    pass


@app.command()
def run(
    recipe: RecipeName,
    changes: Changes = None,
    out: Out = None,
    engine: Annotated[str, typer.Option(help="Where to sample: local (threads) or ray (Serve replicas).")] = "local",
    replicas: Annotated[
        str | None, typer.Option(help="Worker threads (default: the cores); ray: replicas (1), or bounds such as 2-8.")
    ] = None,
    threads: Annotated[
        int | None, typer.Option("--threads-per-replica", min=1, max=1024, help="ray: cores of each replica.")
    ] = None,
    gpus: Annotated[
        float | None, typer.Option("--gpus-per-replica", min=0, max=64, help="ray: GPUs of each; 0.5: two share one.")
    ] = None,
    address: Annotated[
        str | None, typer.Option("--ray-address", help="ray: of a cluster; default: one of this machine alone.")
    ] = None,
    trainers: Annotated[
        int | None, typer.Option("--train-workers", min=1, max=1024, help="ray: who train, on a GPU or a core each.")
    ] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Start over instead of going on.")] = False,
) -> None:
    """Make the dataset of a recipe, or go on with an unfinished run."""
    bounds = _read_replicas(engine, replicas)
    own = {"--threads-per-replica": threads, "--gpus-per-replica": gpus, "--ray-address": address}
    own["--train-workers"] = trainers
    for option, value in own.items():
        if engine == "local" and value is not None:
            raise UserError(f"{option}: {value!r} is for --engine ray; remove it, or add --engine ray")
    from .recipe import load

    loaded = load(recipe, changes)
    from . import pipeline, progress
    from .training.processes import join

    folder = _folder(loaded, out)
    ray = pipeline.choose_replicas(bounds, threads, gpus, address) if engine == "ray" else None
    with join() as processes:
        if not processes.leads:
            return pipeline.follow(loaded, folder, processes)
        if trainers is not None and processes.count > 1:
            raise UserError(f"--train-workers: {trainers} is for a synthgen that no launcher started; remove it")
        with progress.on(sys.stderr) as bars:
            result = pipeline.run(
                loaded, folder, replicas=bounds and bounds[1], ray=ray, fresh=fresh, progress=bars,
                processes=processes, train_workers=trainers,
            )  # fmt: skip
    typer.echo(str(result))


def _read_replicas(engine: str, text: str | None) -> tuple[int, int] | None:
    """(fewest, most) of `--replicas`."""
    if engine not in ENGINES:
        raise UserError(f"--engine: {engine!r} is not an engine; use {' or '.join(ENGINES)}")
    if text is None:
        return None
    first, dash, last = text.partition("-")
    if not first.isdecimal() or (dash and not last.isdecimal()):
        raise UserError(f"--replicas: {text!r} is no number; write one such as 2, or with --engine ray such as 2-8")
    fewest, most = int(first), int(last or first)
    if not 1 <= fewest <= most <= 1024:
        raise UserError(f"--replicas: {text!r} is not in 1 to 1024, the smaller number first; write one such as 2")
    if dash and engine == "local":
        raise UserError(f"--replicas: {text!r} are bounds for --engine ray; write a number")
    return fewest, most


@app.command()
def preview(
    recipe: RecipeName,
    n: Annotated[int, typer.Option("-n", min=1, max=400, help="How many rows.")] = 16,
    changes: Changes = None,
    out: Out = None,
) -> None:
    """A contact sheet (PNG; or preview.txt) of a few rows beside real ones, and the rows (Parquet)."""
    from .recipe import load

    loaded = load(recipe, changes)
    from . import pipeline, progress
    from .training.processes import join

    folder = _folder(loaded, out)
    with join() as processes:
        if not processes.leads:
            return pipeline.follow(loaded, folder, processes)
        with progress.on(sys.stderr) as bars:
            sheet, rows = pipeline.preview(loaded, folder, n, progress=bars, processes=processes)
    typer.echo(f"{sheet}\n{rows}")


@app.command()
def validate(recipe: RecipeName, changes: Changes = None, out: Out = None) -> None:
    """Check recipe, data, hardware and disk; estimate the time. Writes nothing."""
    from .recipe import load

    loaded = load(recipe, changes)
    from .doctor import examine
    from .remote.address import read_place

    typer.echo(examine(loaded, read_place(out) if out else Path("runs", loaded.name)))


@app.command()
def regenerate(
    run: Annotated[str, typer.Argument(metavar="RUN", help="Folder of a run, or its URL.")],
    index: Annotated[int, typer.Argument(min=0, metavar="INDEX", help="The row's provenance.index.")],
) -> None:
    """Make one row of a run again, and say whether it is identical."""
    from .regeneration import regenerate as make_again
    from .remote.address import read_place

    typer.echo(str(make_again(read_place(run, "RUN"), index)))


@app.command()
def serve(
    recipes: Annotated[list[str], typer.Argument(metavar="RECIPE|RUN...", help="Recipes, and folders of runs.")],
    host: Annotated[
        str, typer.Option(help="Address to listen on; others than this machine's own need keys.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535)] = 8000,
    keys: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Lines name:key of bearer keys; or set SYNTHGEN_KEYS.")
    ] = None,
    state: Annotated[Path, typer.Option(metavar="DIR", help="Folder of jobs and their datasets.")] = Path("service"),
    database: Annotated[
        str | None, typer.Option(metavar="URL", help="Of jobs; default: SQLite in DIR. Or set SYNTHGEN_DATABASE.")
    ] = None,
    replicas: Annotated[str | None, typer.Option(help="Replicas of the models, such as 2, or bounds: 1-4.")] = None,
    threads: Annotated[
        int | None, typer.Option("--threads-per-replica", min=1, max=1024, help="Cores of each replica.")
    ] = None,
    gpus: Annotated[
        float | None, typer.Option("--gpus-per-replica", min=0, max=64, help="GPUs of each; 0.5: two share one.")
    ] = None,
    address: Annotated[
        str | None, typer.Option("--ray-address", help="Of a cluster; default: one of this machine alone.")
    ] = None,
) -> None:
    """The HTTP service: rows at once, jobs, and pages to look at what was made."""
    bounds = _read_replicas("ray", replicas)
    from .service.command import serve_until_interrupted

    words = {"recipes": recipes, "state": str(state), "keys_file": keys and str(keys), "database": database}
    more = {"threads_per_replica": threads, "gpus_per_replica": gpus, **({"replicas": bounds} if bounds else {})}
    serve_until_interrupted({**words, **more}, host, port, address, typer.echo)


@app.command()
def tasks() -> None:
    """List the tasks and whether what they need is installed."""
    from .doctor import list_tasks

    typer.echo(list_tasks())


@app.command()
def recipes() -> None:
    """List the shipped recipes: what they make, their cost and measured result."""
    from .shelf import list_recipes

    typer.echo(list_recipes())


@app.command()
def schema(
    output: Annotated[
        Path | None, typer.Option("--output", metavar="FILE", help="Write there, not to the screen.")
    ] = None,
) -> None:
    """The JSON Schema of a recipe, for editors that complete YAML."""
    import json

    from .recipe import schema as describe

    text = json.dumps(describe(), indent=2, ensure_ascii=True)
    if output is None:
        typer.echo(text)
    elif not output.absolute().parent.is_dir():
        raise UserError(f"--output: the folder of {str(output)!r} is not there; make it first")
    else:
        output.write_text(text + "\n", encoding="utf-8")


@app.command()
def doctor(out: Out = None) -> None:
    """What this machine has, and which shipped recipes fit."""
    from .doctor import look_over
    from .remote.address import read_place

    typer.echo(look_over(read_place(out) if out else Path("runs")))


def main(arguments: list[str] | None = None) -> int:
    """Run one command; the exit code. Never raises, save under SYNTHGEN_DEBUG=1."""
    words = sys.argv[1:] if arguments is None else arguments
    try:
        with _terminated_like_interrupted():
            code: Any = app(args=words, prog_name="synthgen", standalone_mode=False)
        return _interrupted(words) if code == 130 else int(code or 0)
    except (Interrupted, KeyboardInterrupt, typer.Abort):
        return _interrupted(words)
    except UserError as error:
        return _say(str(error), 2)
    except Exception as error:
        if hasattr(error, "format_message"):  # a complaint of the command line's parser
            return _say(f"{error.format_message()} (see: synthgen --help)", 2)
        from .failure import explain

        return _say(*explain(error))


def _folder(recipe: Any, out: str | None) -> Any:
    """The run's folder; before it is first made, a look whether the source is there, so that a typo leaves nothing."""
    from .doctor import check_source
    from .remote.address import on_this_machine, read_place

    folder = read_place(out) if out else Path("runs", recipe.name)
    if not on_this_machine(folder).exists() and recipe.source.kind != "hub":
        check_source(recipe)
    return folder


def _terminated_like_interrupted() -> Any:
    """SIGTERM raises KeyboardInterrupt, as SIGINT does, while the block lasts."""
    import signal
    import threading
    from contextlib import ExitStack

    stack = ExitStack()
    if threading.current_thread() is threading.main_thread():
        before = signal.signal(signal.SIGTERM, signal.default_int_handler)
        stack.callback(signal.signal, signal.SIGTERM, before)
    return stack


def _interrupted(words: list[str]) -> int:
    import shlex

    if os.environ.get(RANK, "0") != "0":
        return 130
    again = shlex.join(["synthgen", *(word for word in words if word != "--fresh")])
    return _say(f"interrupted; what is finished is kept; to go on, run: {again}", 130)


def _say(sentence: str, code: int) -> int:
    line = " ".join(sentence.split())
    clean = "".join(character if character.isprintable() else ascii(character)[1:-1] for character in line)
    rank = os.environ.get(RANK, "0")
    print(f"synthgen: {clean}" if rank == "0" else f"synthgen, process {rank}: {clean}", file=sys.stderr)
    return code
