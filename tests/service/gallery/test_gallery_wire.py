"""Rows as JSON: packed, cut, and with addresses in the place of pictures."""

from __future__ import annotations

import base64
import json

import numpy as np
import pyarrow as pa
import pytest

from synthgen.service.gallery.features import Feature
from synthgen.service.gallery.wire import BRIEF, WHOLE, write_row


def write(values, length=BRIEF, kinds=None):
    features = {name: Feature((kinds or {}).get(name, "string")) for name in values}
    row, cut = write_row(values, features, length, lambda column: f"/at/{column}")
    json.dumps(row, allow_nan=False)
    return row, cut


def unpack(value):
    kind = "float32" if "float32" in value else "uint8"
    return np.frombuffer(base64.b64decode(value[kind]), kind).reshape(value["shape"])


def lists(array):
    kind = pa.from_numpy_dtype(array.dtype)
    for size in reversed(array.shape):
        kind = pa.list_(kind, size)
    return pa.scalar(array.tolist(), kind)


def test_pictures_are_addresses_and_texts_stay():
    image = pa.scalar({"bytes": b"\x89PNG", "path": None})
    row, cut = write({"image": image, "text": pa.scalar("<b>&")}, kinds={"image": "Image"})
    assert row == {"image": {"url": "/at/image"}, "text": "<b>&"} and not cut


def test_numbers_come_back_as_they_were():
    series = np.random.default_rng(0).standard_normal((3, 50)).astype(np.float32)
    row, _ = write({"series": lists(series)})
    np.testing.assert_array_equal(unpack(row["series"]), series)
    assert "of" not in row["series"]


def test_a_long_series_keeps_its_peaks():
    series = np.zeros((2, 10_000), np.float32)
    series[0, 1234], series[1, 9876] = 5, -7
    row, _ = write({"series": lists(series)})
    found = unpack(row["series"])
    assert found.shape == (2, 240) and row["series"]["of"] == [2, 10_000]
    assert found[0].max() == 5 and found[1].min() == -7


def test_a_cloud_and_what_belongs_to_its_points_are_thinned_alike():
    points = np.arange(3 * 1024, dtype=np.float32).reshape(1024, 3)
    parts = (np.arange(1024) % 7).astype(np.int64)
    row, _ = write({"points": lists(points), "parts": lists(parts)})
    found, told = unpack(row["points"]), unpack(row["parts"])
    assert len(found) == len(told) == 512 and told.dtype == np.uint8
    np.testing.assert_array_equal(told, (found[:, 0] / 3 % 7).astype(np.uint8))
    whole, _ = write({"points": lists(points)}, WHOLE)
    np.testing.assert_array_equal(unpack(whole["points"]), points)


@pytest.mark.parametrize("place", [0, 3000, 9990])
def test_a_long_passage_is_cut_around_its_answer(place):
    context = "".join(chr(97 + k % 26) for k in range(10_000))
    answers = {"text": [context[place : place + 8]], "answer_start": [place]}
    row, _ = write({"context": pa.scalar(context), "answers": pa.scalar(answers)})
    cut = row["context"]
    assert len(cut["text"]) == 1200 == 10_000 - cut["before"] - cut["after"]
    start = place - cut["before"]
    assert cut["text"][start : start + 8] == answers["text"][0]


def test_long_lists_and_texts_are_cut_and_said_to_be():
    messages = [{"role": "user", "content": "a" * 5000}] * 30
    row, cut = write({"messages": pa.scalar(messages)})
    assert len(row["messages"]) == 12 and cut == {"messages": 30}
    assert row["messages"][0]["content"] == {"text": "a" * 1200, "before": 0, "after": 3800}
    row, cut = write({"messages": pa.scalar(messages)}, WHOLE)
    assert row["messages"] == messages and not cut


def test_what_json_has_no_word_for_is_null():
    row, _ = write({"a": pa.scalar(float("nan")), "b": pa.scalar(float("inf")), "c": pa.scalar(None, pa.string())})
    assert row == {"a": None, "b": None, "c": None}
