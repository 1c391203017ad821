"""What the digest of a source's rows depends on."""

import numpy as np

from synthgen.pipeline import digest_columns


def make(words, numbers):
    texts = np.empty(len(words), object)
    texts[:] = ["".join(list(word)) for word in words]  # other objects each time
    return {"text": texts, "label": np.array(numbers)}


def test_a_digest_is_that_of_the_values_texts_among_them():
    rows = make(["ab", "c", "ß"], [1, 2, 3])
    assert digest_columns(rows, rows) == digest_columns(make(["ab", "c", "ß"], [1, 2, 3]), rows)
    for other in (make(["a", "bc", "ß"], [1, 2, 3]), make(["ab", "c", "ß"], [1, 2, 4]), make(["ab", "c"], [1, 2])):
        assert digest_columns(other, rows) != digest_columns(rows, rows)
