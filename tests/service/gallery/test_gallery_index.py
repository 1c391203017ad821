"""What is known of every row without reading it, and which rows a filter leaves."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pyarrow.parquet as pq
import pytest
from little_runs import make_run

from synthgen.errors import UserError
from synthgen.service.gallery.index import Wanted, read_index

ALL = 36  # rows of the little runs: 30 kept, 6 rejected


@pytest.mark.parametrize("task", ["classification", "segmentation", "qa"])
def test_every_candidate_is_there_once_in_order(folders, task):
    index = read_index(folders[task])
    np.testing.assert_array_equal(index.number, np.arange(ALL))
    assert int((index.gate < 0).sum()) == 30
    assert {index.gate_of(k) for k in range(ALL)} == {"", "agreement", "duplicates"}
    for position in range(ALL):
        found = pq.read_table(index.files[index.file[position]]).column("provenance")[int(index.row[position])].as_py()
        assert found["index"] == index.number[position]
        assert found["scores"]["agreement"] == pytest.approx(float(index.scores["agreement"][position]))


def test_facts_count_what_is_there(folders):
    facts = read_index(folders["classification"]).facts()
    report = json.loads((folders["classification"] / "dataset" / "report.json").read_text())
    assert facts["rows"] == {"kept": 30, "rejected": 6}
    assert {gate["name"]: gate["rows"] for gate in facts["gates"]} == report["rows"]["rejected"]
    assert sum(one["rows"] for one in facts["classes"]) == ALL
    assert [one["name"] for one in facts["classes"]] == report["classes"]
    assert all(sum(score["counts"]) == ALL and score["low"] < score["high"] for score in facts["scores"])


def test_pages_hold_every_row_once_whatever_their_size(digits):
    index = read_index(digits)
    for limit in (7, 48, 200):
        seen: list[int] = []
        after = None
        while True:
            page = index.page(Wanted(), after=after, limit=limit)
            assert page.total == 150 and page.first == len(seen)
            seen += index.number[page.positions].tolist()
            if not page.more:
                break
            after = seen[-1]
        assert seen == list(range(150))


def test_the_page_before_is_the_one_that_led_here(digits):
    index = read_index(digits)
    first = index.page(Wanted(kept="rejected"), limit=10)
    second = index.page(Wanted(kept="rejected"), after=int(index.number[first.positions[-1]]), limit=10)
    back = index.page(Wanted(kept="rejected"), before=int(index.number[second.positions[0]]), limit=10)
    np.testing.assert_array_equal(back.positions, first.positions)
    assert back.first == 0 and back.more and second.first == 10


def test_filters_narrow_together(digits):
    index = read_index(digits)
    wanted = Wanted(label="3", kept="rejected", score="agreement", at_least=0.2, at_most=0.9)
    chosen = index.select(wanted)
    labels = np.full(len(index.number), -1)
    labels[index.owner] = index.held
    scores = index.scores["agreement"]
    by_hand = (labels == 3) & (index.gate >= 0) & (scores >= np.float32(0.2)) & (scores <= np.float32(0.9))
    np.testing.assert_array_equal(chosen, by_hand)
    assert chosen.any() and index.select(Wanted(gate="duplicates")).sum() == 15


def test_a_class_of_a_mask_is_one_that_has_an_object(folders):
    index = read_index(folders["segmentation"])
    name = index.classes[2]
    chosen = index.select(Wanted(label=name))
    for position in range(ALL):
        objects = pq.read_table(index.files[index.file[position]]).column("objects")[int(index.row[position])].as_py()
        assert chosen[position] == any(one["class"] == 2 for one in objects)
    assert 0 < chosen.sum()


@pytest.mark.parametrize(
    ("wanted", "told"),
    [
        (Wanted(label="cow"), "label: 'cow'"),
        (Wanted(gate="agrement"), "agreement"),
        (Wanted(score="copy_distanc"), "copy_distance"),
        (Wanted(at_least=0.5), "score: at_least"),
    ],
)
def test_a_name_that_is_none_is_told(folders, wanted, told):
    with pytest.raises(UserError, match=told):
        read_index(folders["classification"]).select(wanted)


def test_without_the_state_the_dataset_is_enough(tmp_path):
    folder = make_run("classification", tmp_path / "run", kept=12, rejected=3)
    shutil.rmtree(folder / "state")
    index = read_index(folder)
    assert index.facts()["rows"] == {"kept": 12, "rejected": 0} and index.gates == ()
    shutil.rmtree(folder / "dataset")
    with pytest.raises(UserError, match="no finished dataset"):
        read_index(folder)


def test_a_row_that_is_not_there_is_none(folders):
    index = read_index(folders["classification"])
    assert index.find(7) == 7 and index.find(ALL) is None and index.find(10**15) is None
