"""Time series: channels over steps, a class, and events with their place in time.

Class, events and a history come first and the series is drawn to them, so the annotation is right by construction.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import torch

from ..codecs.series import SeriesCodec, fit_series_codec, reveal_series, vary_time
from ..evaluation.series_learners import build_series_learner
from ..evaluation.series_measures import MEANINGS, compare_series
from ..evaluation.series_pictures import draw_series, series_legend
from ..export.parquet import fixed_lists
from ..judges.rocket import fit_rocket_judge
from ..labels.class_mix import label_classes
from ..labels.events import add_severity, describe_events
from ..labels.schedules import build_schedule, switch_off
from ..labels.series_options import SeriesConditionOptions
from ..networks.tokens import TokenDenoiser, TokenOptions, build_tokens
from ..sources import SeriesSourceOptions, describe_series, load_series
from ..task import Task
from ..types import Columns, Condition, Data, LabelGenerator

PROBED = 256  # candidates among which rows with events are drawn once more without them


def load_with_severity(options: SeriesSourceOptions, seed: int) -> Data:
    return add_severity(load_series(options, seed))


def build_codec(data: Data, options: TokenOptions, folder: Path | None) -> SeriesCodec:
    return fit_series_codec(data.train, len(data.details["kinds"]))


def build_network(data: Data, codec: SeriesCodec, options: TokenOptions) -> TokenDenoiser:
    return build_tokens(codec.shape, options, classes=len(data.classes), elements=codec.elements)


def name_axes(data: Data, codec: SeriesCodec) -> dict[str, list[str]]:
    channels, kinds = list(map(str, data.details["channels"])), data.details["kinds"]
    events = ["told", *(f"on {kind}" for kind in kinds), *(f"severity {kind}" for kind in kinds)] if kinds else []
    known = [f"known {channel}" for channel in channels]
    return {"classes": list(data.classes), "channels": channels, "elements": [*events, *known, "known"]}


def augment_rows(
    x: torch.Tensor, condition: Condition, names: tuple[str, ...], generator: torch.Generator
) -> tuple[torch.Tensor, Condition]:
    """Stretched and scaled rows as `names` say; part of their values may be revealed."""
    kinds = (condition["elements"].shape[2] - x.shape[2] - 1) // 2
    x, condition = vary_time(x, condition, names, generator)
    return reveal_series(x, condition, kinds, generator)


def annotate_rows(columns: Columns, data: Data) -> Columns:
    """Adds `happenings`: for each row its events as records."""
    found = np.empty(len(columns["label"]), object)
    found[:] = describe_events(columns, data.details["kinds"])
    return {**columns, "happenings": found}


def describe_features(data: Data) -> datasets.Features:
    """`series` is channels × steps; of an event, `end` is the first step after it."""
    steps, channels = data.train["series"].shape[1:]
    kinds = datasets.ClassLabel(names=list(data.details["kinds"] or ("none",)))
    whole = datasets.Value("int32")
    event = {"kind": kinds, "start": whole, "end": whole, "severity": datasets.Value("float32")}
    values = datasets.List(datasets.Value("float32"), length=steps)
    return datasets.Features({
        "series": datasets.List(values, length=channels),
        "sample_rate_hz": datasets.Value("float64"),
        "label": datasets.ClassLabel(names=list(data.classes)),
        "events": [event],
    })  # fmt: skip


def encode_rows(columns: Columns, data: Data) -> dict[str, Any]:
    count = len(columns["label"])
    return {
        "series": fixed_lists(columns["series"].transpose(0, 2, 1)),
        "sample_rate_hz": [data.details["rate_hz"]] * count,
        "label": columns["label"].tolist(),
        "events": columns["happenings"].tolist(),
    }


def decode_rows(rows: dict[str, list[Any]], data: Data) -> Columns:
    series = np.array(rows["series"], np.float32).transpose(0, 2, 1)
    events, severity = np.zeros(series.shape[:2], np.uint8), np.zeros(series.shape[:2], np.float32)
    for place, happenings in enumerate(rows["events"]):
        for event in happenings:
            events[place, event["start"] : event["end"]] = event["kind"] + 1
            severity[place, event["start"] : event["end"]] = event["severity"]
    label = np.array(rows["label"], np.int64)
    return {"series": np.ascontiguousarray(series), "label": label, "events": events, "severity": severity}


def stand_alone(rows: Columns, data: Data) -> Columns:
    """Each row as a series of its own."""
    count = len(rows["label"])
    return {**rows, "start": np.zeros(count), "series_id": -1 - np.arange(count)}


def probe_events(
    sample: Callable[[Columns, np.ndarray], Columns], labels: LabelGenerator, data: Data
) -> dict[str, Any]:
    """How far rows change, within their events and outside, when the same noise is drawn without the events.

    Root mean square differences in standard deviations of each channel. An event that is one changes what lies inside
    it, and little else.
    """
    indices = np.arange(PROBED)
    conditions = labels.draw(indices)
    held = np.flatnonzero(conditions["events"].any(1))
    if not len(held):
        return {}
    conditions = {name: values[held] for name, values in conditions.items()}
    on, off = sample(conditions, indices[held]), sample(switch_off(conditions), indices[held])
    spread = data.train["series"].std((0, 1))
    change = np.square((on["series"] - off["series"]) / np.where(spread > 0, spread, 1)).mean(2)
    inside = conditions["events"] > 0
    within = float(np.sqrt(change[inside].mean()))
    without = float(np.sqrt(change[~inside].mean())) if (~inside).any() else 0.0
    return {"event_change_inside": within, "event_change_outside": without}


TASK = Task(
    name="timeseries",
    summary="a series with its class and its events",
    extra="timeseries",
    requires=("aeon", "scipy"),
    builtins={
        "motions": "four activities from a wearable, 6 channels × 100 steps (BasicMotions)",
        "power": "days of electricity demand by season, 24 hours (ItalyPowerDemand)",
        "gait": "a Parkinson patient's accelerometers, 9 channels (Daphnet, without labelled episodes)",
    },
    source_options=SeriesSourceOptions,
    model_options=TokenOptions,
    condition_options=SeriesConditionOptions,
    hub_tags={"task_categories": ["time-series-forecasting"], "tags": ["timeseries"]},
    describe=describe_series,
    load=load_with_severity,
    codec=build_codec,
    network=build_network,
    axes=name_axes,
    as_training=stand_alone,
    mixes=("channels", "kinds", "rate_hz", "length"),
    augment=augment_rows,
    labels=build_schedule,
    annotate=annotate_rows,
    fit_judge=fit_rocket_judge,
    learner=build_series_learner,
    features=describe_features,
    encode=encode_rows,
    decode=decode_rows,
    draw=draw_series,
    legend=series_legend,
    classes_of=label_classes,
    augmentations=("warp", "scale"),
    compare=compare_series,
    probe=probe_events,
    meanings=MEANINGS,
)
