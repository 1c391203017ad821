"""Question answering: a passage, a question and its answer, which is a span of the passage, or none.

The answer is chosen first and the question is written to it, so answer = context[start : start + len(answer)] by
construction.
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import datasets
import numpy as np

from ..codecs.questions import QuestionCodec, fit_question_codec
from ..codecs.tokens import name_axes
from ..evaluation.question_learners import QuestionLearner
from ..evaluation.question_measures import MEANINGS, Right, compare_questions, probe_questions
from ..evaluation.text_rows import TextRow
from ..gates.question_checks import fit_question_checks
from ..judges.reader import fit_reader_judge
from ..labels.class_mix import label_classes
from ..labels.span_options import SpanConditionOptions
from ..labels.spans import Spans, build_spans
from ..networks.fine_tuning import examine_language
from ..networks.language import TextOptions, build_text_network, choose_block, choose_pieces
from ..passages import KnownNames, find_window
from ..slots import SLOTS, VALUES
from ..sources import QuestionSourceOptions, describe_questions, load_questions
from ..sources.text.facts import facts_of, territory_names
from ..sources.text.territories import read_question
from ..task import Task
from ..types import Columns, Data, LabelGenerator, as_objects


def load_with_names(options: QuestionSourceOptions, seed: int) -> Data:
    """Adds details["names"], which finds the names of passages and questions."""
    data = load_questions(options, seed)
    names = KnownNames.fit(data.train["context"], data.train["question"].tolist())
    return replace(data, details={**data.details, "names": names})


def build_codec(data: Data, options: TextOptions, folder: Path | None) -> QuestionCodec:
    codec = fit_question_codec(data, data.details["names"], choose_pieces(options, folder), SLOTS)
    return replace(codec, block=choose_block(options, folder))


def build_network(data: Data, codec: QuestionCodec, options: TextOptions) -> Any:
    return build_text_network(options, codec.vocabulary, segments=1, length=codec.longest, values=VALUES)


def build_labels(data: Data, options: SpanConditionOptions, seed: int, folder: Path | None) -> Spans:
    return build_spans(data, options, seed, data.details["names"])


def find_right(data: Data) -> Right | None:
    """Whether questions ask for the territory and the fact of their answer, where CLDR's facts can say so."""
    if not data.details["checked"]:
        return None
    return lambda rows, data: np.array([
        is_right(question, context, answer, start, data.classes[label], data.details["names"])
        for question, context, answer, start, label in zip(
            *(rows[name] for name in ("question", "context", "answer", "start", "label")), strict=True
        )
    ])  # fmt: skip


def is_right(question: str, context: str, answer: str, start: int, kind: str, names: KnownNames) -> bool:
    """The question names a territory of the answer's sentences and asks for the kind of fact that they state of it;
    without an answer, one that the passage does not name, or a fact whose value does not stand there."""
    asked = read_question(question)
    if asked is None:
        return False
    place = territory_names()[asked[0]]
    values = [fact.value for fact in facts_of(asked[0]) if fact.kind == asked[1]]
    if start < 0:
        return place not in context or all(value not in context for value in values)
    first, last = find_window(context, start, start + len(answer), names)
    return asked[1] == kind and answer in values and place in context[first:last]


def compare_rows(heldout: Columns, synthetic: Columns, data: Data, seed: int) -> dict[str, Any]:
    return compare_questions(synthetic, data, find_right(data))


def probe_rows(sample: Callable[[Columns, np.ndarray], Columns], labels: LabelGenerator, data: Data) -> dict[str, Any]:
    return probe_questions(sample, labels, data, find_right(data))


def describe_features(data: Data) -> datasets.Features:
    """SQuAD's columns, and the kind of answer; `answers` is empty where the passage does not tell."""
    text, whole = datasets.Value("string"), datasets.Value("int32")
    return datasets.Features({
        "id": text, "title": text, "context": text, "question": text,
        "answers": {"text": datasets.List(text), "answer_start": datasets.List(whole)},
        "label": datasets.ClassLabel(names=list(data.classes)),
    })  # fmt: skip


def encode_rows(columns: Columns, data: Data) -> dict[str, Any]:
    """Every answer stands in its context where the row says: asserted."""
    answers = []
    for context, answer, start in zip(columns["context"], columns["answer"], columns["start"].tolist(), strict=True):
        assert (answer == "" and start == -1) or context[start : start + len(answer)] == answer != "", (
            "answer is no span"
        )
        answers.append({"text": [answer], "answer_start": [start]} if start >= 0 else {"text": [], "answer_start": []})
    texts = {name: columns[name].tolist() for name in ("id", "title", "context", "question")}
    return {**texts, "answers": answers, "label": columns["label"].tolist()}


def decode_rows(rows: dict[str, list[Any]], data: Data) -> Columns:
    texts = {name: as_objects(rows[name]) for name in ("id", "title", "context", "question")}
    return {
        **texts,
        "answer": as_objects([answers["text"][0] if answers["text"] else "" for answers in rows["answers"]]),
        "start": np.array([a["answer_start"][0] if a["text"] else -1 for a in rows["answers"]], np.int64),
        "label": np.array(rows["label"], np.int64),
    }


def draw_rows(columns: Columns, data: Data) -> list[Any]:
    rows = zip(*(columns[name] for name in ("context", "question", "answer", "start")), strict=True)
    return [
        TextRow(
            (("context", context), ("question", question), ("answer", answer or "(not in the context)")),
            ((0, int(start), int(start) + len(answer)),) if start >= 0 else (),
        )
        for context, question, answer, start in rows
    ]


TASK = Task(
    name="qa",
    summary="a passage, a question and its answer",
    extra="text",
    requires=("transformers", "tokenizers", "babel", "sacrebleu", "sklearn"),
    builtins={"territories": "passages and questions about 250 territories, from the facts of CLDR (Babel)"},
    source_options=QuestionSourceOptions,
    model_options=TextOptions,
    condition_options=SpanConditionOptions,
    hub_tags={"task_categories": ["question-answering"], "task_ids": ["extractive-qa"]},
    describe=describe_questions,
    load=load_with_names,
    codec=build_codec,
    network=build_network,
    examine=examine_language,
    axes=name_axes,
    labels=build_labels,
    fit_judge=fit_reader_judge,
    learner=QuestionLearner,
    features=describe_features,
    encode=encode_rows,
    decode=decode_rows,
    draw=draw_rows,
    classes_of=label_classes,
    checks=fit_question_checks,
    texts=lambda rows: rows["question"].tolist(),
    compare=compare_rows,
    probe=probe_rows,
    meanings=MEANINGS,
)
