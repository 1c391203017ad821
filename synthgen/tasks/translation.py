"""Translation: a text and the same in another language.

Numbers and names are chosen first and stand on both sides, so the pair is aligned by construction; or one side is
given, and the other is written to it.
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import datasets
import numpy as np

from ..codecs.pairs import PairCodec, fit_pair_codec
from ..codecs.tokens import name_axes
from ..evaluation.pair_measures import MEANINGS, Right, compare_pairs, probe_pairs
from ..evaluation.text_rows import TextRow
from ..evaluation.translation_learner import TranslationLearner
from ..gates.pair_checks import fit_pair_checks
from ..judges.translator import fit_translation_judge
from ..labels.class_mix import label_classes
from ..labels.pair_options import PairConditionOptions
from ..labels.pairs import Pairs, build_pairs
from ..networks.fine_tuning import examine_language
from ..networks.language import TextOptions, build_text_network, choose_block, choose_pieces
from ..slots import SLOTS, VALUES, Names, find_shared
from ..sources import PairSourceOptions, describe_pairs, load_pairs
from ..sources.text.phrases import is_translation
from ..task import Task
from ..types import Columns, Data, LabelGenerator, as_objects


def load_with_names(options: PairSourceOptions, seed: int) -> Data:
    """Adds details["names"]: the rows that only teach, else the words that stand on both sides as they are."""
    data = load_pairs(options, seed)
    pairs = list(zip(data.train["source"], data.train["target"], strict=True))
    teaching = [number for number, name in enumerate(data.classes) if name in data.details["undrawn"]]
    taught = [pair for pair, label in zip(pairs, data.train["label"].tolist(), strict=True) if label in teaching]
    names = Names.of(taught if teaching else find_shared(pairs))
    return replace(data, details={**data.details, "names": names})


def build_codec(data: Data, options: TextOptions, folder: Path | None) -> PairCodec:
    codec = fit_pair_codec(data, data.details["names"], choose_pieces(options, folder), SLOTS)
    return replace(codec, block=choose_block(options, folder))


def build_network(data: Data, codec: PairCodec, options: TextOptions) -> Any:
    classes = 2 * len(data.classes)
    return build_text_network(
        options, codec.vocabulary, segments=2, length=codec.longest, classes=classes, values=VALUES
    )


def build_labels(data: Data, options: PairConditionOptions, seed: int, folder: Path | None) -> Pairs:
    return build_pairs(data, options, seed, data.details["names"], SLOTS)


def judge_exactly(data: Data) -> Right | None:
    """Whether a pair is right, where Babel can say so."""
    if not data.details["checked"]:
        return None
    one, other = data.details["languages"]
    return lambda family, source, target: is_translation(family, source, target, one, other)


def compare_rows(heldout: Columns, synthetic: Columns, data: Data, seed: int) -> dict[str, Any]:
    return compare_pairs(synthetic, data, judge_exactly(data))


def probe_rows(sample: Callable[[Columns, np.ndarray], Columns], labels: LabelGenerator, data: Data) -> dict[str, Any]:
    return probe_pairs(sample, labels, data, judge_exactly(data))


def describe_features(data: Data) -> datasets.Features:
    """`written_first` is the language of the side that was given, or written first."""
    text = datasets.Value("string")
    return datasets.Features({
        "translation": dict.fromkeys(data.details["languages"], text),
        "label": datasets.ClassLabel(names=list(data.classes)),
        "written_first": datasets.ClassLabel(names=list(data.details["languages"])),
    })  # fmt: skip


def encode_rows(columns: Columns, data: Data) -> dict[str, Any]:
    one, other = data.details["languages"]
    pairs = zip(columns["source"], columns["target"], strict=True)
    return {
        "translation": [{one: source, other: target} for source, target in pairs],
        "label": columns["label"].tolist(),
        "written_first": columns["lead"].tolist(),
    }


def decode_rows(rows: dict[str, list[Any]], data: Data) -> Columns:
    one, other = data.details["languages"]
    return {
        "source": as_objects([pair[one] for pair in rows["translation"]]),
        "target": as_objects([pair[other] for pair in rows["translation"]]),
        "label": np.array(rows["label"], np.int64),
        "lead": np.array(rows["written_first"], np.int64),
    }


def draw_rows(columns: Columns, data: Data) -> list[Any]:
    one, other = data.details["languages"]
    pairs = zip(columns["source"], columns["target"], strict=True)
    return [TextRow(((one, source), (other, target))) for source, target in pairs]


TASK = Task(
    name="translation",
    summary="a text in two languages",
    extra="text",
    requires=("transformers", "tokenizers", "babel", "sacrebleu", "sklearn"),
    builtins={"phrases": "dates, times, amounts, units, lists and names in any two languages of CLDR (Babel)"},
    source_options=PairSourceOptions,
    model_options=TextOptions,
    condition_options=PairConditionOptions,
    hub_tags={"task_categories": ["translation"]},
    describe=describe_pairs,
    load=load_with_names,
    codec=build_codec,
    network=build_network,
    examine=examine_language,
    axes=name_axes,
    labels=build_labels,
    annotate=lambda columns, data: {"lead": np.zeros(len(columns["label"]), np.int64), **columns},
    fit_judge=fit_translation_judge,
    learner=TranslationLearner,
    features=describe_features,
    encode=encode_rows,
    decode=decode_rows,
    draw=draw_rows,
    classes_of=label_classes,
    checks=fit_pair_checks,
    texts=lambda rows: [f"{source}\n{target}" for source, target in zip(rows["source"], rows["target"], strict=True)],
    compare=compare_rows,
    probe=probe_rows,
    meanings=MEANINGS,
)
