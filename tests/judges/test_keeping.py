"""A judge is read back bit for bit, and not at all if it is another's or was altered."""

import json

import numpy as np
import pytest
import torch
from torch import nn

from synthgen.judges.keeping import keep, load_state, recall, state_arrays, take_part


@pytest.fixture
def nets(tmp_path):
    made = [nn.Linear(3, 2), nn.Linear(3, 2)]
    keep(tmp_path, {"fingerprint": "a", "seed": 4}, {**state_arrays(made), "reference": np.arange(3.0)})
    return made


def restore(described, arrays):
    return described["seed"], [load_state(nn.Linear(3, 2), arrays, k) for k in (0, 1)], arrays["reference"]


def test_what_was_kept_is_read_back(nets, tmp_path):
    seed, found, reference = recall(tmp_path, "a", restore)
    assert seed == 4 and reference.tolist() == [0, 1, 2] and not found[0].training
    assert all(torch.equal(one.weight, other.weight) for one, other in zip(nets, found, strict=True))
    assert set(take_part(state_arrays(nets), 1)) == {"weight", "bias"}


def test_another_judge_and_an_altered_one_are_not_read(nets, tmp_path):
    assert recall(tmp_path, "b", restore) is None and recall(None, "a", restore) is None
    assert recall(tmp_path / "nowhere", "a", restore) is None
    described = json.loads((tmp_path / "judge.json").read_text())
    (tmp_path / "judge.json").write_text(json.dumps({**described, "weights_sha256": "0"}))
    assert recall(tmp_path, "a", restore) is None
    (tmp_path / "judge.json").write_text(json.dumps({k: v for k, v in described.items() if k != "seed"}))
    assert recall(tmp_path, "a", restore) is None
    (tmp_path / "judge.json").write_text(json.dumps(described))
    weights = (tmp_path / "judge.safetensors").read_bytes()
    (tmp_path / "judge.safetensors").write_bytes(weights[:-1] + bytes([weights[-1] ^ 1]))
    assert recall(tmp_path, "a", restore) is None
