"""Which rows a person is shown."""

import numpy as np

from synthgen import task as tasks
from synthgen.delivery import _varied


def test_shown_rows_are_of_every_class_and_from_all_over_it():
    task = tasks.find("classification")
    data = task.load(task.source_options(kind="builtin", name="digits"), 0)
    labels = data.train["label"]
    place = np.array([(labels[:i] == label).sum() / (labels == label).sum() for i, label in enumerate(labels)])
    shown = _varied(task, {**data.train, "place": place}, data, 40)
    assert sorted(shown["label"].tolist()) == sorted([*range(10)] * 4)
    for label in range(10):
        places = np.sort(shown["place"][shown["label"] == label])
        assert np.diff(places).min() > 0.02 and places[-1] - places[0] > 0.2, places
