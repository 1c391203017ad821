"""What every task must keep to, on its own built-in source. A new task passes this file or is not done."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import datasets
import numpy as np
import pytest
import torch
from PIL import Image

from synthgen import task as tasks
from synthgen.evaluation.text_rows import TextRow
from synthgen.export.parquet import rows_to_table
from synthgen.options import Options
from synthgen.types import Codec, Columns, Data, LabelGenerator, count_rows, take_rows

ROWS = 32  # real rows of each part that are used here; more would only take longer


@dataclass(frozen=True)
class Case:
    task: tasks.Task
    data: Data
    codec: Codec
    labels: LabelGenerator
    rows: Columns  # annotated real rows


@pytest.fixture(scope="module", params=tasks.names())
def case(request: Any, tmp_path_factory: Any) -> Case:
    task = tasks.find(request.param)
    whole = task.load(task.source_options(kind="builtin", name=next(iter(task.builtins))), 0)
    parts = {part: take_rows(getattr(whole, part), slice(0, ROWS)) for part in ("train", "validation", "heldout")}
    data = replace(whole, **parts)
    codec = task.codec(data, task.model_options(), None)
    labels = task.labels(data, task.condition_options(), 0, tmp_path_factory.mktemp("labels") / "own")
    return Case(task, data, codec, labels, task.annotate(data.train, data))


def same(a: Columns, b: Columns) -> bool:
    return set(a) == set(b) and all(np.array_equal(a[name], b[name], equal_nan=a[name].dtype.kind == "f") for name in a)


def assert_close(found: Columns, wanted: Columns) -> None:
    """Equal, and measured values equal up to float32's rounding."""
    for name, values in wanted.items():
        if values.dtype.kind == "f":
            np.testing.assert_allclose(found[name], values, rtol=1e-5, atol=1e-5 * max(1.0, np.abs(values).max()))
        else:
            np.testing.assert_array_equal(found[name], values)


def test_it_says_what_it_is(case):
    task = case.task
    assert task.name in tasks.names() and task.summary and task.extra and task.builtins
    assert issubclass(task.model_options, Options) and issubclass(task.condition_options, Options)
    assert task.hub_tags["task_categories"]
    for options in (task.source_options, task.model_options, task.condition_options):
        assert all(field.description for field in options.model_fields.values()), "a field without a description"


def test_real_rows_come_in_three_parts_and_repeat(case):
    for part in (case.data.train, case.data.validation, case.data.heldout):
        assert part.keys() == case.data.train.keys() and len({len(values) for values in part.values()}) == 1
        assert count_rows(part) > 0
    again = case.task.load(case.task.source_options(kind="builtin", name=next(iter(case.task.builtins))), 0)
    assert same(take_rows(again.train, slice(0, ROWS)), case.data.train)
    origin = case.data.origin
    assert all((origin.name, origin.license, origin.citation, origin.labels, origin.splits))
    assert len(set(case.data.classes)) == len(case.data.classes) >= 2  # of the first built-in source


def test_what_is_encoded_comes_back(case):
    x = case.codec.encode(case.data.train)
    if case.codec.widths(case.data.train) is not None:
        assert x.dtype == torch.int64 and len(x) == ROWS
        once = case.codec.decode(x, case.data.train)
        assert_close(once, case.data.train)
        return
    assert x.dtype == torch.float32 and x.shape == (ROWS, *case.codec.shape)
    assert 0.3 < float(x.std()) < 3 and bool(torch.isfinite(x).all())
    once = case.codec.decode(x, case.data.train)  # in the order of the codec, where rows are sets of points
    assert set(once) == set(case.data.train)
    twice = case.codec.decode(case.codec.encode(once), once)
    unordered = [name for name in once if name in ("points", "part", "piece")]
    for found in (once, twice):
        assert_close(found, {name: values for name, values in case.data.train.items() if name not in unordered})
        for name in unordered:
            np.testing.assert_allclose(np.sort(found[name], 1), np.sort(case.data.train[name], 1), atol=1e-5)


def test_descriptors_are_one_vector_a_row(case):
    found = case.codec.describe(case.data.train)
    assert found.dtype == np.float32 and found.ndim == 2 and len(found) == ROWS and np.isfinite(found).all()
    np.testing.assert_allclose(case.codec.describe(take_rows(case.data.train, slice(3, 5))), found[3:5], atol=1e-6)


def test_what_to_draw_depends_on_the_number_of_the_row_alone(case):
    drawn = case.labels.draw(np.arange(40, 52))
    assert count_rows(drawn) == 12 and same(drawn, case.labels.draw(np.arange(40, 52)))
    assert same(take_rows(drawn, slice(3, 7)), case.labels.draw(np.arange(43, 47)))
    assert not same(drawn, case.labels.draw(np.arange(60, 72)))


def test_another_seed_draws_what_a_generator_of_that_seed_draws(case):
    """By default no task's generator is trained, so that nothing but the rows' seed tells two of them apart."""
    numbers = np.arange(12)
    built = case.task.labels(case.data, case.task.condition_options(), 7, None).draw(numbers)
    before = case.labels.draw(numbers)
    assert same(case.labels.with_seed(7).draw(numbers), built)
    assert same(case.labels.with_seed(7).with_seed(0).draw(numbers), before)
    assert not same(case.labels.with_seed(8).draw(numbers), built) and not same(built, before)
    assert same(case.labels.draw(numbers), before), "the generator itself was changed"


def test_the_net_is_told_the_same_of_real_and_of_drawn_rows(case):
    real = case.codec.condition(take_rows(case.data.train, slice(0, 4)))
    drawn = case.codec.condition(case.labels.draw(np.arange(4)))
    whole = case.codec.widths(case.data.train) is None  # else rows are as wide as they are long
    kinds = [
        {name: (v.shape if whole else (len(v), v.ndim), v.dtype) for name, v in told.items()} for told in (real, drawn)
    ]
    assert kinds[0] == kinds[1]


def test_widths_are_those_of_the_tensors(case):
    widths = case.codec.widths(case.data.train)
    if widths is None:
        return
    for width in np.unique(widths):
        rows = take_rows(case.data.train, widths == width)
        told = case.codec.condition(rows)
        assert case.codec.encode(rows).shape[1] == width <= case.codec.shape[0]
        assert all(values.shape[1] == width for values in told.values() if values.ndim > 1)


def test_the_net_predicts_rows_and_is_saved_without_pickles(case, tmp_path):
    net = case.task.network(case.data, case.codec, case.task.model_options())
    rows = take_rows(case.data.train, slice(0, 4))
    x, condition = case.codec.encode(rows), case.codec.condition(rows)
    names = tuple(name for name in case.task.augmentations if name == "shift")
    x, condition = case.task.augment(x, condition, names, torch.Generator().manual_seed(1))
    net.train()
    x_hat = net(x, torch.full((4,), 0.5), condition, torch.tensor([True, False, True, True]))
    assert x_hat.shape[: x.ndim] == x.shape
    (x_hat.float() - (x if x.ndim == x_hat.ndim else 0)).square().mean().backward()
    assert all(p.grad is not None and bool(torch.isfinite(p.grad).all()) for p in net.parameters() if p.requires_grad)
    net.save_pretrained(tmp_path)
    assert {path.suffix for path in tmp_path.iterdir()} == {".json", ".safetensors"}
    loaded = type(net).from_pretrained(tmp_path, use_safetensors=True)
    for mine, read in zip(net.state_dict().values(), loaded.state_dict().values(), strict=True):
        assert torch.equal(mine, read)


def test_augmentation_keeps_shapes_and_follows_its_generator(case):
    x, condition = case.codec.encode(case.data.train), case.codec.condition(case.data.train)
    names = case.task.augmentations[:3]
    one, two = (case.task.augment(x, condition, names, torch.Generator().manual_seed(1)) for _ in range(2))
    assert one[0].shape == x.shape and one[1].keys() >= condition.keys()
    assert torch.equal(one[0], two[0]) and all(torch.equal(one[1][name], two[1][name]) for name in one[1])


def test_rows_survive_their_encoding(case):
    task, data = case.task, case.data
    rows, features = take_rows(case.rows, slice(0, 5)), task.early(data)
    encoded = task.encode(rows, data)
    assert set(encoded) == set(features)
    table = rows_to_table(encoded, datasets.Features(features), {})
    decoded = task.decode(table.to_pydict(), data)
    assert_close(decoded, {name: rows[name] for name in decoded})
    case.codec.condition(decoded), case.codec.encode(decoded)  # nothing that the model needs is lost


def test_users_see_typed_rows(case):
    task, data = case.task, case.data
    features, early = datasets.Features(task.features(data)), datasets.Features(task.early(data))
    table = rows_to_table(task.encode(take_rows(case.rows, slice(0, 2)), data), early, {})
    assert set(task.late) == set(features) - set(early) and bool(task.late) == (task.complete is not None)
    late = task.complete(table.to_pydict(), data) if task.complete else {}
    assert set(task.late) <= set(late) <= set(features)
    table = rows_to_table({**{name: table.column(name).combine_chunks() for name in early}, **late}, features, {})
    read = datasets.Dataset(table)
    assert read.features == features and read.num_rows == 2
    for name, pictures in (task.draw_late(table.to_pydict(), data) if task.draw_late else {}).items():
        assert name and len(pictures) == 2 and all(isinstance(picture, Image.Image | TextRow) for picture in pictures)
    assert read[0].keys() == features.keys()


def test_pictures_and_legend(case):
    pictures = case.task.draw(take_rows(case.data.train, slice(0, 3)), case.data)
    assert len(pictures) == 3 and all(isinstance(picture, Image.Image | TextRow) for picture in pictures)
    for name, colour in case.task.legend(case.data):
        assert name and all(0 <= value <= 255 for value in colour)


def test_classes_of_rows(case):
    found = case.task.classes_of(case.data.train, case.data)
    assert found.shape == (ROWS, len(case.data.classes)) and found.dtype == bool
    assert found.any(1).all()
    assert case.task.classes_of(case.labels.draw(np.arange(6)), case.data).shape == (6, len(case.data.classes))


def test_the_learner_scores_in_range_and_repeats(case):
    learner = case.task.learner(case.data)
    assert learner.metric and learner.description and learner.default_steps > 0 and learner.default_batch_size > 0
    told = {"steps": 3, "batch_size": 8, "seed": 1, "augment": False}
    one, two = (learner.measure(case.rows, case.data.heldout, **told) for _ in range(2))
    assert 0 <= one.value <= 1 and len(one.per_class) == len(case.data.classes)
    assert one.value == two.value


@pytest.mark.slow
def test_the_judge_has_an_opinion_of_every_row_and_is_read_back(case, tmp_path):
    judge = case.task.fit_judge(case.data, 0, tmp_path)
    assert judge.reference.shape == (ROWS,) and judge.reference.dtype == np.float32
    opinion = judge.examine(case.rows)
    assert opinion.agreement.shape == (ROWS,) and opinion.features.shape[0] == ROWS
    assert float(opinion.agreement.min()) >= 0 and float(opinion.agreement.max()) <= 1
    assert {path.suffix for path in tmp_path.rglob("*") if path.is_file()} == {".json", ".safetensors"}
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    again = case.task.fit_judge(case.data, 0, tmp_path).examine(case.rows)
    np.testing.assert_array_equal(again.agreement, opinion.agreement)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before
