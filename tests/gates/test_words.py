"""Words that a recipe names refuse a row of texts, in whatever case, as whole words."""

import numpy as np
import pytest

from synthgen.errors import UserError
from synthgen.gates.options import GateOptions
from synthgen.gates.words import compile_words, forbid_words
from synthgen.pipeline import list_checks
from synthgen.task import find
from synthgen.types import Data, Origin, as_objects


def test_words_are_whole_and_case_folded():
    pattern = compile_words(["Straße", "c++", " ass ", ""])
    assert pattern.search("die strasse") and pattern.search("in c++!") and not pattern.search("class, assign")


def test_a_row_that_says_one_is_refused_with_the_word():
    check = forbid_words(["damn", "go away"], lambda rows: rows["text"].tolist())
    texts = as_objects(["well", "DAMN!", "please go  away", "go away, you", "hello\ndamn"])
    scores, reasons = check.judge({"text": texts})
    assert scores.tolist() == [1, 0, 1, 0, 0] and scores.dtype == np.float32
    assert reasons == ["", "it says 'damn'", "", "it says 'go away'", "it says 'damn'"]
    assert "2 words" in check.explanation


@pytest.mark.parametrize(
    ("task", "row"),
    [
        ("translation", {"source": "my damn cat", "target": "meine Katze"}),
        ("translation", {"source": "my cat", "target": "damn"}),
        ("qa", {"question": "What the damn is this?"}),
        ("conversation", {"contents": ("Hi", "damn")}),
    ],
)
def test_all_that_a_row_of_texts_says_is_looked_through(task, row):
    texts = find(task).texts({name: as_objects([value]) for name, value in row.items()})
    assert compile_words(["damn"]).search(texts[0])


def test_rows_that_are_no_texts_have_no_words():
    rows = {"label": np.zeros(1, np.int64)}
    data = Data(rows, rows, rows, ("any",), Origin("x", "x", "x", "x", "x"))
    assert list_checks(find("classification"), data, GateOptions()) == ()
    with pytest.raises(UserError, match="gates.words: rows of classification are no texts; remove it"):
        list_checks(find("classification"), data, GateOptions(words=["damn"]))
