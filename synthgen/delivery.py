"""What a run hands over: the dataset folder, its card, report.json, and report.html with the pictures.

It writes what the stages found and decides nothing.

    report = deliver(recipe, place, task, data, history, harvest, findings, progress)
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from .evaluation.findings import state_findings
from .evaluation.pictures import contact_sheet, stack
from .evaluation.report import plain, write_report
from .evaluation.text_pictures import draw_texts
from .evaluation.text_rows import TextRow, markdown_rows, plain_rows
from .export.card import write_card
from .export.options import Facts
from .export.parquet import ShardedWriter, read_batches, table_to_rows, write_table
from .hardware import cores, look
from .harvest import Harvest
from .modelling import read_looks
from .networks.bases import is_foreign
from .production import INTERNAL, Maker
from .progress import Progress
from .recipe import Recipe
from .run_folder import RunFolder
from .sampling.local import produce
from .storage import digest_folder, replace_folder, write_whole
from .task import Task
from .types import Columns, Data, count_rows, take_rows

SPLIT = "train"
CONFIGS = ("scenes",)  # formats that `load_dataset` reads
FORMAT_ROWS = 250  # in memory at once while another format is written
GOLDEN = (5**0.5 - 1) / 2  # multiples of it, without their whole part, are spread evenly
SHEET_ROWS = 24  # pictures of each kind on the contact sheet and in the report
REJECTED_ROWS = 8  # pictures of each reason
CARD_ROWS = 8  # of each kind in the card, where rows are texts
SHEET_TEXTS = 12  # of each kind on the contact sheet, where rows are texts


def deliver(
    recipe: Recipe, place: RunFolder, task: Task, data: Data, history: dict[str, Any], harvest: Harvest,
    findings: dict[str, Any], progress: Progress,
) -> dict[str, Any]:  # fmt: skip
    """Write everything; the dataset folder appears whole, at the very end. Returns the report."""
    began = time.perf_counter()
    progress.stage("export")
    place.log("export")
    folder = place.path / ".dataset.tmp"
    shutil.rmtree(folder, ignore_errors=True)
    features = harvest.maker.features()
    files = _write_rows(folder, recipe, harvest)
    facts = Facts(recipe.name, SPLIT, harvest.maker.seed, recipe.export.license or data.origin.license)
    shown: dict[str, list[Image.Image]] = {
        name: task.formats[name](folder, _exported(files), data, recipe.conditions, facts)
        for name in recipe.export.formats
    }
    _write_rejections(place, harvest)
    late = _draw_late(task, data, table_to_rows(_first_rows(files, SHEET_ROWS)))
    pictures = _pictures(place, task, data, harvest)
    captions = [caption for _, caption in pictures["synthetic"]]
    pictures["more"] = {name: list(zip(items, captions, strict=True)) for name, items in late.items()}
    pictures["more"] |= {name: [(picture, "") for picture in items] for name, items in shown.items() if items}
    (folder / "assets").mkdir()
    real = _varied(task, data.train, data, SHEET_ROWS)
    made = harvest.rows(harvest.kept, SHEET_ROWS)
    sheet, on_card = _sheet(task, data, real, made, late, SHEET_TEXTS), {}
    if sheet:
        sheet.save(folder / "assets" / "preview.png", optimize=True)
        on_card["Real rows beside synthetic rows"] = "assets/preview.png"
    for name, items in shown.items():
        if items:
            stack(items).save(folder / "assets" / f"{name}.png", optimize=True)
            on_card[name.capitalize()] = f"assets/{name}.png"
    (folder / "recipe.yaml").write_text(recipe.yaml())
    report = _report(recipe, place, data, history, harvest, findings, time.perf_counter() - began)
    report["judged"] = list(task.judged(recipe.model, data)) if is_foreign(recipe.model, place.model) else []
    report["findings"] = state_findings(report)
    (folder / "report.json").write_text(json.dumps(report, indent=1) + "\n")
    write_card(
        folder / "README.md", report, recipe_yaml=recipe.yaml(), recipe_name=recipe.name,
        description=recipe.description, features=features, origin=data.origin, hub_tags=task.hub_tags,
        license=recipe.export.license,
        tags=recipe.export.tags, split_sizes={SPLIT: _sizes(files)}, pictures=on_card,
        samples=_samples(task, data, real, made),
        configs=[name for name in CONFIGS if name in recipe.export.formats],
    )  # fmt: skip
    write_report(place.path / "report.html", report, pictures, recipe.yaml(), task.meanings)
    replace_folder(folder, place.dataset)
    write_whole(place.state / "done", json.dumps(digest_folder(place.dataset), indent=1))
    place.log("done")
    return report


def draw_preview(place: RunFolder, maker: Maker, table: pa.Table) -> tuple[Path, Path]:
    """preview.png and preview.parquet in the run's folder: `table`'s rows, on the sheet beside as many real ones.

    Texts that no picture can show are in preview.txt instead. Returns the two paths.
    """
    task, data = maker.task, maker.data
    rows = task.decode(table_to_rows(table.select(list(task.early(data)))), data)
    drawn, written, kept = (place.path / f"preview.{kind}" for kind in ("png", "txt", "parquet"))
    completed = maker.complete(table)
    late = _draw_late(task, data, table_to_rows(completed))
    real = _varied(task, data.train, data, len(table))
    sheet = _sheet(task, data, real, rows, late)
    if sheet:
        sheet.save(drawn)
    else:
        parts = ("real", task.draw(real, data)), ("synthetic", task.draw(rows, data))
        write_whole(written, "\n\n".join(f"{name}\n{'-' * len(name)}\n\n{plain_rows(part)}" for name, part in parts))
    (written if sheet else drawn).unlink(missing_ok=True)  # of an earlier preview
    write_table(kept, completed)
    return drawn if sheet else written, kept


def _draw_late(task: Task, data: Data, rows: dict[str, list[Any]]) -> dict[str, list[Any]]:
    return task.draw_late(rows, data) if task.draw_late else {}


def _sheet(
    task: Task, data: Data, real: Columns, synthetic: Columns, late: dict[str, list[Any]], texts: int | None = None
) -> Image.Image | None:
    """Real rows beside synthetic ones; of texts the first `texts` of each, and None where no font can show them."""
    groups = [(name, task.draw(rows, data)) for name, rows in (("real", real), ("synthetic", synthetic))]
    title = f"{task.name}: {data.origin.name}"
    if all(isinstance(row, TextRow) for _, rows in groups for row in rows):
        return draw_texts([(name, rows[:texts]) for name, rows in groups], title)
    names = [_label_names(rows, data) for rows in (real, synthetic, *[synthetic] * len(late))]
    groups += late.items()
    return contact_sheet(groups, task.legend(data), title=title, names=names)


def _samples(task: Task, data: Data, real: Columns, synthetic: Columns) -> str:
    """A few rows in Markdown; nothing where rows are pictures."""
    first = [task.draw(take_rows(rows, slice(0, CARD_ROWS)), data) for rows in (real, synthetic)]
    return markdown_rows(*first) if all(isinstance(row, TextRow) for rows in first for row in rows) else ""


def _label_names(rows: Columns, data: Data) -> list[str]:
    """The class of each row; nothing where rows have no single one."""
    return [data.classes[i] for i in rows["label"]] if "label" in rows else [""] * count_rows(rows)


def _write_rows(folder: Path, recipe: Recipe, harvest: Harvest) -> list[Path]:
    writer = ShardedWriter(folder / "data", SPLIT, harvest.maker.features(), recipe.export.rows_per_file)
    for table in _completed(harvest):
        writer.add(table)
    return writer.close()


def _completed(harvest: Harvest) -> Iterator[pa.Table]:
    """The accepted rows as users see them, in order; as many shards at once as there are cores."""
    tables = harvest.tables(harvest.kept)
    return produce(harvest.maker.complete, lambda in_flight: next(tables, None), cores(), cores())


def _exported(files: list[Path]) -> Iterator[dict[str, list[Any]]]:
    for path in files:
        for batch in read_batches(path, batch_size=FORMAT_ROWS):
            yield table_to_rows(batch)


def _first_rows(files: list[Path], limit: int) -> pa.Table:
    batches = (batch for path in files for batch in read_batches(path, batch_size=limit))
    return pa.concat_tables(islice(batches, limit)).slice(0, limit)  # no batch is empty


def _write_rejections(place: RunFolder, harvest: Harvest) -> None:
    """state/rejections.parquet: every refused candidate with the gate and the reason."""
    path, schema = place.state / "rejections.parquet", harvest.maker.candidate_features().arrow_schema
    for name in ("gate", "reason"):
        schema = schema.append(pa.field(name, pa.string()))
    temporary = path.with_name(f".{path.name}.tmp")
    with pq.ParquetWriter(temporary, schema, compression="zstd") as writer:
        for table in harvest.tables(harvest.gate != ""):
            dropped = [name for name in INTERNAL if name not in ("gate", "reason")]
            writer.write_table(table.drop_columns(dropped).cast(schema))
    temporary.replace(path)


def _pictures(place: RunFolder, task: Task, data: Data, harvest: Harvest) -> dict[str, Any]:
    def drawn(chosen: np.ndarray, limit: int) -> list[tuple[Image.Image, str]]:
        if not chosen.any():
            return []
        rows = harvest.rows(chosen, limit)
        labels = _label_names(rows, data)
        facts = harvest.provenance(chosen, limit)
        return [
            (image, _caption(fact, label))
            for image, fact, label in zip(task.draw(rows, data), facts, labels, strict=True)
        ]

    looks = [(step, task.draw(take_rows(rows, slice(0, 8)), data)) for step, rows in read_looks(place)]
    refused = {gate: drawn(harvest.gate == gate, REJECTED_ROWS) for gate in dict.fromkeys(harvest.gate) if gate}
    return {
        "real": task.draw(_varied(task, data.train, data, SHEET_ROWS), data),
        "synthetic": drawn(harvest.kept, SHEET_ROWS),
        "epochs": looks,
        "rejected": refused,
        "legend": task.legend(data),
    }


def _caption(fact: dict[str, Any], label: str) -> str:
    row = f"row {fact['provenance']['index']}"
    return ": ".join(part for part in (row, label, fact["reason"]) if part)


def _varied(task: Task, rows: Columns, data: Data, limit: int) -> Columns:
    """`limit` rows, of the classes in turn so that a person sees each of them, and from all over each: neighbours are
    often alike, such as questions about one passage."""
    first = task.classes_of(rows, data).argmax(1)
    rank = np.zeros(len(first), np.int64)
    for value in np.unique(first):
        inside = np.flatnonzero(first == value)
        rank[inside[np.argsort(np.arange(1, len(inside) + 1) * GOLDEN % 1)]] = np.arange(len(inside))
    return take_rows(rows, np.lexsort((first, rank))[:limit])


def _sizes(files: list[Path]) -> dict[str, int]:
    return {
        "num_examples": sum(pq.read_metadata(f).num_rows for f in files),
        "num_bytes": sum(f.stat().st_size for f in files),
    }


def _report(
    recipe: Recipe, place: RunFolder, data: Data, history: dict[str, Any], harvest: Harvest, findings: dict[str, Any],
    export_seconds: float,
) -> dict[str, Any]:  # fmt: skip
    selection, spent = harvest.selection, harvest.seconds()
    assert selection is not None
    seconds = {
        "train": history["seconds"], "sample": spent["conditions"] + spent["sample"], "label": spent["label"],
        "gate": spent["gate"], "encode": spent["encode"], "evaluate": findings["seconds"]["evaluate"],
        "export": export_seconds, "total": place.seconds_so_far(),
    }  # fmt: skip
    report = {
        "recipe": recipe.name,
        "description": recipe.description,
        "task": recipe.task,
        "recipe_sha256": recipe.sha256,
        "model_sha256": history["model_sha256"],
        **look().describe(),
        "rows": {
            "requested": recipe.count, "accepted": selection.accepted, "candidates": selection.candidates,
            "rejected": {name: selection.rejected[name] for name in harvest.gates()},
        },
        "seconds": seconds,
        "throughput": harvest.throughput,
        **{name: findings[name] for name in ("utility", "fidelity", "privacy", "gates")},
        "training": history,
        "data": {part: count_rows(getattr(data, part)) for part in ("train", "validation", "heldout")},
        "origin": asdict(data.origin),
        "classes": list(data.classes),
    }  # fmt: skip
    return dict(plain(report))
