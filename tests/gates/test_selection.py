import numpy as np
import pytest

from synthgen.gates import duplicates as duplicates_module
from synthgen.gates.duplicates import Duplicates, usual_distance
from synthgen.gates.options import DuplicateOptions, GateOptions, QuotaOptions
from synthgen.gates.quota import ROOM, Quota
from synthgen.gates.selection import Selection
from synthgen.types import Verdict

CLASSES = ("a", "b")


def greedy(rows, threshold):
    """The oracle: one row at a time, against every kept row."""
    kept = []
    for i, row in enumerate(rows):
        if all(np.linalg.norm(row - rows[j]) > threshold for j in kept):
            kept.append(i)
    return kept


@pytest.fixture
def crowd():
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(150, 48))
    rows = centres[rng.integers(150, size=600)] + rng.normal(size=(600, 48)) * rng.choice([0.001, 0.3], size=(600, 1))
    return rng.normal(size=(400, 48)).astype(np.float32), rows.astype(np.float32)


@pytest.mark.parametrize("shard", [600, 256, 7])
def test_duplicates_equal_the_greedy_oracle_whatever_the_shard(crowd, shard, monkeypatch):
    monkeypatch.setattr(duplicates_module, "BLOCK", 64)
    monkeypatch.setattr(duplicates_module, "PAIRS", 32)
    train, rows = crowd
    found = Duplicates.fit(train, DuplicateOptions())
    kept = np.concatenate(
        [found.admit(rows[i : i + shard], np.arange(i, min(i + shard, 600))).kept for i in range(0, 600, shard)]
    )
    expected = greedy(rows.astype(np.float64), found.threshold)
    assert 100 < len(expected) < 500
    assert np.flatnonzero(kept).tolist() == expected


def test_duplicates_name_the_first_kept_twin_and_its_distance(crowd):
    train, _ = crowd
    found = Duplicates.fit(train, DuplicateOptions())
    admission = found.admit(np.stack([train[0], train[1], train[0]]), np.array([10, 11, 12]))
    assert admission.kept.tolist() == [True, True, False]
    assert admission.twin.tolist() == [-1, -1, 10]
    later = found.admit(train[1:2] + np.float32(0.01), np.array([99]))
    assert later.twin.tolist() == [11]
    assert later.distance[0] == pytest.approx(0.01 * np.sqrt(48), rel=0.1)


def test_a_row_that_is_not_wanted_leaves_its_place_to_a_twin(crowd):
    found = Duplicates.fit(crowd[0], DuplicateOptions())
    twins = np.stack([crowd[0][0]] * 3)
    assert found.admit(twins, np.arange(3), wanted=lambda i: i > 0).kept.tolist() == [False, True, False]


def test_usual_distance_is_between_different_rows():
    line = np.arange(100, dtype=np.float32)[:, None] * 2
    assert usual_distance(line, 0.5) == 2
    assert usual_distance(line[:1], 0.5) == 0


def test_quota_caps_the_running_share():
    quota = Quota(np.array([0.5, 0.5]), CLASSES, QuotaOptions(tolerance=0.1))
    for _ in range(1000):
        if quota.full(np.array([True, False])) is None:
            quota.count(np.array([True, False]))
    only_a = quota.counts[0]
    assert only_a <= 1.1 * 0.5 * (only_a + 1) + ROOM
    assert quota.full(np.array([True, False])) == 0
    assert quota.full(np.array([False, True])) is None
    assert quota.reason(0) == f"class 'a' already has {only_a} of {only_a} accepted rows; asked for 50 %"


def test_quota_of_masks_counts_presence_so_a_class_of_every_row_never_fills():
    quota = Quota(np.array([1.0, 0.3]), CLASSES, QuotaOptions())
    for _ in range(500):
        assert quota.full(np.array([True, False])) is None
        quota.count(np.array([True, False]))


def verdict(refused):
    by = np.where(refused, "agreement", "").astype(object)
    return Verdict({}, by, np.where(refused, "a reason", "").astype(object), {"agreement": 0.5})


def run(rows, refused, presence, count, shard, train):
    selection = Selection.fit(count, train, np.array([0.5, 0.5]), CLASSES, GateOptions())
    choices = []
    for i in range(0, len(rows), shard):
        part = slice(i, i + shard)
        indices = np.arange(len(rows))[part]
        choices.append(selection.admit(verdict(refused[part]), rows[part], presence[part], indices))
    kept = np.concatenate([c.kept for c in choices])
    return selection, kept, np.concatenate([c.rejected_by for c in choices])


@pytest.fixture
def candidates(crowd):
    rng = np.random.default_rng(5)
    label = (rng.random(600) < 0.8).astype(int)  # far more of class b than the half that was asked for
    return crowd[1], rng.random(600) < 0.1, np.eye(2, dtype=bool)[label], crowd[0]


def test_selection_does_not_depend_on_shards_and_later_rows_leave_earlier_ones_alone(candidates):
    rows, refused, presence, train = candidates
    one, kept, by = run(rows, refused, presence, 100, 600, train)
    other, kept_small, by_small = run(rows, refused, presence, 100, 13, train)
    np.testing.assert_array_equal(kept, kept_small)
    assert by.tolist() == by_small.tolist()
    assert (one.rejected, one.candidates, one.accepted) == (other.rejected, other.candidates, 100)
    _, more, _ = run(rows, refused, presence, 120, 50, train)
    assert np.flatnonzero(more)[:100].tolist() == np.flatnonzero(kept).tolist()


def test_selection_counts_every_candidate_up_to_the_last_one_needed(candidates):
    rows, refused, presence, train = candidates
    selection, kept, by = run(rows, refused, presence, 60, 40, train)
    end = np.flatnonzero(kept)[-1] + 1
    assert selection.done
    assert selection.candidates == end == 60 + sum(selection.rejected.values())
    assert all(selection.rejected[gate] > 0 for gate in ("agreement", "duplicates", "quota"))
    assert not any(by[end:])
    share = presence[kept].mean(0)
    assert share[1] <= 0.55 + ROOM / 60


def test_selection_with_gates_off_takes_the_first_rows_that_pass(candidates):
    rows, refused, presence, _ = candidates
    selection = Selection(20)
    choice = selection.admit(verdict(refused), rows, presence, np.arange(600))
    assert np.flatnonzero(choice.kept).tolist() == np.flatnonzero(~refused)[:20].tolist()
    assert selection.rejected["quota"] == selection.rejected["duplicates"] == 0


def test_reasons_of_selection_are_sentences(candidates):
    rows, _, presence, train = candidates
    selection = Selection.fit(600, train, np.array([0.5, 0.5]), CLASSES, GateOptions())
    twice = np.concatenate([rows[:1], rows[:1]])
    choice = selection.admit(verdict(np.zeros(2, bool)), twice, presence[:2], np.array([5, 6]))
    assert choice.rejected_by.tolist() == ["", "duplicates"]
    assert choice.reasons[1].startswith("repeats row 5 (at distance 0, real rows keep ")
