import numpy as np
import pytest

from synthgen.gates.bank import Bank, exact_distances


def brute_force(bank, queries):
    distances = np.sqrt(np.square(queries[:, None].astype(float) - bank[None]).sum(-1))
    return np.sort(distances, 1)[:, :2], distances.argmin(1)


@pytest.mark.parametrize(("rows", "dimensions"), [(1, 3), (2, 1), (17, 40), (3000, 8), (5000, 100)])
def test_search_equals_brute_force(rows, dimensions):
    rng = np.random.default_rng(rows)
    bank = rng.normal(size=(rows, dimensions)).astype(np.float32)
    queries = np.concatenate([rng.normal(size=(70, dimensions)), bank[:1] + 1e-3]).astype(np.float32)
    two, nearest = brute_force(bank, queries)
    near = Bank(bank).search(queries)
    np.testing.assert_allclose(near.first, two[:, 0], rtol=1e-9)
    np.testing.assert_array_equal(near.nearest, nearest)
    if rows > 1:
        np.testing.assert_allclose(near.second, two[:, 1], rtol=1e-9)
    else:
        assert np.isinf(near.second).all()


def test_search_is_exact_below_the_limit_and_never_too_near_above_it():
    rng = np.random.default_rng(1)
    bank = rng.normal(size=(4000, 120)).astype(np.float32)
    queries = np.concatenate([bank[:50] + 0.01 * rng.normal(size=(50, 120)), rng.normal(size=(50, 120))])
    queries = queries.astype(np.float32)
    two, _ = brute_force(bank, queries)
    near = Bank(bank).search(queries, limit=1.0)
    close = two[:, 0] < 1.0
    assert close.sum() == 50
    np.testing.assert_allclose(near.first[close], two[close, 0], rtol=1e-9)
    np.testing.assert_allclose(near.second[close], two[close, 1], rtol=1e-9)
    assert (near.first[~close] >= two[~close, 0] - 1e-9).all()
    assert (near.first[~close] >= 1.0).all()


def test_search_finds_a_copy_far_from_the_origin_at_distance_zero():
    bank = (1000 + np.random.default_rng(2).normal(size=(500, 50))).astype(np.float32)
    near = Bank(bank).search(bank[[7, 400]])
    assert near.first.tolist() == [0, 0]
    assert near.nearest.tolist() == [7, 400]


def test_ties_go_to_the_lower_row_and_no_query_gives_no_row():
    bank = Bank(np.ones((20, 4), np.float32))
    near = bank.search(np.ones((3, 4), np.float32))
    assert near.nearest.tolist() == [0, 0, 0]
    assert near.second.tolist() == [0, 0, 0]
    assert len(bank.search(np.zeros((0, 4), np.float32)).first) == 0


def test_search_does_not_depend_on_the_batch():
    rng = np.random.default_rng(3)
    bank = Bank(rng.normal(size=(3000, 64)).astype(np.float32))
    queries = rng.normal(size=(300, 64)).astype(np.float32)
    whole = bank.search(queries)
    parts = [bank.search(queries[i : i + 37]) for i in range(0, 300, 37)]
    np.testing.assert_array_equal(whole.first, np.concatenate([p.first for p in parts]))
    np.testing.assert_array_equal(whole.second, np.concatenate([p.second for p in parts]))


def test_exact_distances_of_a_known_triangle():
    assert exact_distances(np.zeros((1, 2), np.float32), np.array([[[3, 4], [0, 0]]], np.float32)).tolist() == [[5, 0]]
