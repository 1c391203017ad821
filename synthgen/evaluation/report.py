"""The report of a run as one HTML page: pictures, curves, tables, every number of report.json; no outside request.

Knows the keys of report.json (below) and pictures: neither how numbers were measured nor where the run's folder is.

    write_report(folder / "report.html", report, {"real": [...], "synthetic": [...]}, recipe_yaml)

Beside the keys that every report has, these are shown where they exist:

    training   {history: [{step, seconds, train_loss, validation_loss, ...}], steps, best_step, parameters, images,
                batch_size, stopped: "finished" or why it ended early}
    gates      {gate: {rejected, seconds, threshold, explanation, worth: {mean, sd, values, rows} | None}}
    utility    {<regime>: {mean, sd, values, rows, per_class, also: {name: {mean, sd, values}}}, worth,
                gain: {mean, sd, values}, steps}
    fidelity   {..., real: the same measures of real training rows against the held-out ones}
    privacy    what measure_privacy and membership_auc give
    data       {train, validation, heldout}: rows          origin   the fields of types.Origin
    notes      [sentence]                                  findings state_findings(report), made here where absent
"""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import ChainableUndefined, Environment, FileSystemLoader, Undefined
from markupsafe import Markup
from PIL import Image

from ..storage import write_whole
from .charts import interval_chart, line_chart
from .findings import headline, state_findings
from .pictures import enlargement
from .text_rows import TextRow, text_figure, visible

REGIMES = {
    "train_real_test_real": "real",
    "train_synthetic_test_real": "synthetic",
    "train_both_test_real": "real + synthetic",
    "baseline_augmentation": "real, augmented",
}
EXPLAINED = {
    "precision": ("share of synthetic rows that look like real ones", "near that of real rows"),
    "recall": ("share of the real variety that the synthetic rows reach", "near that of real rows"),
    "density": ("how many real neighbourhoods hold a synthetic row, on average", "near 1"),
    "coverage": ("share of real rows with a synthetic row in their neighbourhood", "near that of real rows"),
    "frechet": ("distance between the two clouds of features", "small, near that of real rows"),
}
TEXT_WIDTH = 300  # CSS pixels that a row of texts takes at least

Meanings = Mapping[str, tuple[str, str]]  # measure -> what it is, and what is good


def write_report(
    path: Path, report: Mapping[str, Any], pictures: Mapping[str, Any], recipe_yaml: str, meanings: Meanings
) -> None:
    """Writes the page at `path`, whole or not at all.

    pictures: "real": [PIL], "synthetic": [(PIL, caption)], "more": {name: [(PIL, caption)]}, "epochs": [(step, [PIL])],
    "rejected": {reason: [(PIL, caption)]}, "legend": [(name, (r, g, b))]; each may be absent, and a TextRow may stand
    for each PIL picture. `meanings` of what fidelity has of its `own`.
    """
    write_whole(path, render(report, pictures, recipe_yaml, meanings))


def render(
    report: Mapping[str, Any], pictures: Mapping[str, Any], recipe_yaml: str, meanings: Meanings | None = None
) -> str:
    """The page as text; see write_report."""
    facts = plain(report)
    page = _environment().get_template("report.html.j2")
    return page.render(
        report=facts,
        recipe_yaml=recipe_yaml,
        pictures=pictures,
        headline=headline(facts),
        findings=facts.get("findings") or state_findings(facts),
        regimes=_regimes(facts),
        regime_names=REGIMES,
        also=_further_metrics(facts),
        explained=EXPLAINED,
        meanings=meanings or {},
        utility_chart=_utility_chart(facts),
        loss_chart=_loss_chart(facts),
        every_number=flatten({key: value for key, value in facts.items() if key != "training"}),
        training_numbers=flatten({"training": {k: v for k, v in _part(facts, "training").items() if k != "history"}}),
    )


def plain(value: Any) -> Any:
    """The same record in JSON's own types: numpy's numbers and arrays as Python's, nan and infinity as None."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, np.ndarray | np.generic):
        return plain(value.tolist())
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item) for item in (sorted(value) if isinstance(value, set | frozenset) else value)]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if value is None or isinstance(value, str | int | bool) else str(value)


def flatten(value: Any, name: str = "") -> list[tuple[str, str]]:
    """Every leaf of a plain record as (dotted key, value in full precision)."""
    if isinstance(value, Mapping) and value:
        return [leaf for key, item in value.items() for leaf in flatten(item, f"{name}.{key}" if name else key)]
    if isinstance(value, list) and any(isinstance(item, list | Mapping) for item in value):
        return [leaf for number, item in enumerate(value) for leaf in flatten(item, f"{name}.{number}")]
    if isinstance(value, list):
        return [(name, ", ".join(map(str, value)))]
    return [(name, "" if value is None or value == {} else str(value))]


def number(value: Any) -> str:
    """A number for people: about three digits, thousands apart; – for what is not known."""
    if value is None or isinstance(value, Undefined) or (isinstance(value, float) and not math.isfinite(value)):
        return "–"
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    size = abs(value)
    if isinstance(value, int) or size >= 1000:
        return f"{value:,.0f}"
    if size == 0 or size >= 1:
        return f"{value:.3g}"
    return f"{value:.3f}" if size >= 0.01 else f"{value:.2g}"


def spread(regime: Any) -> str:
    """mean ± sd of {mean, sd}."""
    if not isinstance(regime, Mapping) or regime.get("mean") is None:
        return "–"
    return f"{regime['mean']:.4f}" + (f" ± {regime['sd']:.4f}" if regime.get("sd") is not None else "")


def percent(value: Any) -> str:
    return "–" if value is None or isinstance(value, Undefined) else f"{100 * value:.1f}%"


def duration(value: Any) -> str:
    """Seconds as a person says them."""
    if value is None or isinstance(value, Undefined):
        return "–"
    if value < 100:
        return f"{value:.1f} s"
    minutes, seconds = divmod(round(value), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {seconds:02d} s"


def data_uri(picture: Image.Image) -> str:
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", compress_level=9)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")


def figure(picture: Image.Image | TextRow, caption: str = "") -> Markup:
    """A picture that carries its own bytes, over its caption; the browser enlarges tiny ones without smoothing.

    A row of texts is a figure of texts. What a caption quotes of a row is shown as data too.
    """
    if isinstance(picture, TextRow):
        return text_figure(picture, caption)
    caption = visible(caption)
    css = ' class="crisp"' if enlargement(picture.height, picture.width) > 1 else ""
    below = Markup("<figcaption>{}</figcaption>").format(caption) if caption else ""
    image = Markup('<img{} alt="{}" src="{}">').format(Markup(css), caption, data_uri(picture))
    return Markup("<figure>{}{}</figure>").format(image, below)


def cell(picture: Image.Image | TextRow) -> int:
    """The least width of such a picture on the page, in CSS pixels: wide ones, such as plots, need more."""
    if isinstance(picture, TextRow):
        return TEXT_WIDTH
    ratio = picture.width / picture.height
    return 480 if ratio > 3.5 else round(min(max(100.0, 80 * ratio), 260))


@cache
def _environment() -> Environment:
    loader = FileSystemLoader(Path(__file__).parent)
    page = Environment(
        loader=loader, autoescape=True, undefined=ChainableUndefined, trim_blocks=True, lstrip_blocks=True,
        finalize=_shown,
    )  # fmt: skip
    filters = {
        "number": number,
        "spread": spread,
        "percent": percent,
        "duration": duration,
        "figure": figure,
        "cell": cell,
    }
    page.filters.update(filters)
    return page


def _shown(value: Any) -> Any:
    """Names of classes and the like come from data too: none may reorder the page."""
    return visible(value) if type(value) is str else value


def _part(report: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    found = report.get(key)
    return found if isinstance(found, Mapping) else {}


def _regimes(report: Mapping[str, Any]) -> list[tuple[str, str, Mapping[str, Any]]]:
    utility = _part(report, "utility")
    return [(key, name, utility[key]) for key, name in REGIMES.items() if isinstance(utility.get(key), Mapping)]


def _further_metrics(report: Mapping[str, Any]) -> list[str]:
    """What learners told beside the headline metric, in the order in which they told it."""
    return list(dict.fromkeys(name for _, _, regime in _regimes(report) for name in _part(regime, "also")))


def _utility_chart(report: Mapping[str, Any]) -> Markup:
    rows = [
        (name, regime.get("values") or [], f"tone{list(REGIMES).index(key)}") for key, name, regime in _regimes(report)
    ]
    return interval_chart(rows, str(_part(report, "utility").get("metric", "score")))


def _loss_chart(report: Mapping[str, Any]) -> Markup:
    training = _part(report, "training")
    history: Sequence[Mapping[str, Any]] = training.get("history") or []
    series = [
        (name, [(point["step"], point[key]) for point in history if point.get(key) is not None], f"tone{tone}")
        for name, key, tone in (("training", "train_loss", 0), ("validation", "validation_loss", 1))
    ]
    best = training.get("best_step")
    return line_chart(series, "optimiser steps", "denoising loss", [(best, "kept")] if best is not None else [])
