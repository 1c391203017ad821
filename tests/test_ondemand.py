"""Rows on demand: whose rows they are depends on seed and index alone, and a look says which may share a batch."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
import torch
from torch import nn

from synthgen.errors import UserError
from synthgen.ondemand import LANES, OnDemand
from synthgen.pipeline import name_run, open_maker
from synthgen.recipe import load
from synthgen.sampling.engine import Wish


@pytest.fixture(scope="module")
def on_demand(undisturbed):
    recipe = load(str(undisturbed / "dataset" / "recipe.yaml"))
    return open_maker(name_run(recipe, undisturbed))


class Gossip(nn.Module):
    """A net whose rows depend on their company."""

    def __init__(self, net):
        super().__init__()
        self.net = net

    def forward(self, x, sigma, condition, keep=None):
        return self.net(x, sigma, condition, keep) + x.mean()


def test_the_rows_are_those_of_a_run_with_that_seed(on_demand):
    seed = on_demand.recipe.seed
    table, _ = on_demand.maker.make(range(8))
    answer = on_demand.make_rows([Wish(seed, 0, 8, form="arrow")])[0]
    rows = pa.ipc.open_stream(answer.rows[0]).read_all()
    passed = table.filter(pa.array(np.array(table["gate"].to_pylist()) == ""))
    assert rows["image"].to_pylist() == passed["image"].to_pylist() and answer.accepted == len(passed) > 0
    assert answer.accepted + sum(answer.rejected.values()) == 8


def test_wishes_do_not_change_one_another(on_demand):
    assert on_demand.sizes[-1] == LANES[-1] == on_demand.lanes
    wishes = [Wish(seed, first, 1 + seed % 4) for seed, first in zip(range(12), range(0, 36, 3), strict=True)]
    alone = [on_demand.make_rows([wish])[0].rows for wish in wishes]
    together = on_demand.make_rows(wishes)
    assert [answer.rows for answer in together] == alone and together[0].company > 12
    assert json.loads(alone[1][0])["provenance"]["seed"] == 1


def test_a_net_that_looks_at_other_rows_gets_each_wish_alone(on_demand):
    sampler = on_demand.maker.sampler.with_options(on_demand.maker.sampler.options)
    sampler.net = Gossip(sampler.net)
    gossiping = OnDemand(on_demand.recipe, replace(on_demand.maker, sampler=sampler), on_demand.folder)
    assert gossiping.sizes == () and gossiping.lanes == 0
    first = gossiping.make_rows([Wish(3, 0, 4)])[0]
    assert gossiping.make_rows([Wish(3, 0, 4)])[0].rows == first.rows and first.company == 4


def test_changes_make_other_rows_with_another_digest(on_demand):
    told = json.dumps({"conditions.balance": {"4": 1}, "sample.steps": 8})
    answer = on_demand.make_rows([Wish(0, 0, 6, told)])[0]
    rows = [json.loads(row) for row in answer.rows]
    assert {row["label"] for row in rows} == {"4"}
    assert {row["provenance"]["recipe"] for row in rows}.isdisjoint({on_demand.recipe.sha256})
    with pytest.raises(UserError, match="conditions.balance: 'four' is not a class"):
        on_demand.make_rows([Wish(0, 0, 6, json.dumps({"conditions.balance": {"four": 1}}))])
    assert torch.is_inference_mode_enabled() is False
