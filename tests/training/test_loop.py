import shutil

import numpy as np
import pytest
import torch

from synthgen.codecs.images import augment_images, fit_label_codec
from synthgen.errors import UserError
from synthgen.networks.unet import UNetOptions, build_unet
from synthgen.training.encoded import EncodedRows, batch_index, batch_of_groups
from synthgen.training.loop import AS_IT_IS, train
from synthgen.training.options import EarlyStopOptions, TrainOptions
from synthgen.types import Data, Origin, take_rows

OPTIONS = TrainOptions(
    steps=12, seconds=None, batch_size=8, validate_every=0.25, precision="fp32", augment=("flip", "shift")
)


@pytest.fixture
def data():
    generator = np.random.Generator(np.random.Philox(0))
    label = np.arange(60) % 3
    image = (label[:, None, None, None] * 80 + generator.integers(0, 60, (60, 8, 8, 1))).astype(np.uint8)
    rows = {"image": image, "label": label}
    parts = [take_rows(rows, slice(*span)) for span in ((0, 40), (40, 50), (50, 60))]
    return Data(*parts, ("a", "b", "c"), Origin("toy", "cc0-1.0", "", "", ""))


def run(data, folder, options=OPTIONS, look=lambda net, step: None, net=None):
    if net is None:
        with torch.random.fork_rng():
            torch.manual_seed(0)
            net = build_unet((1, 8, 8), 3, "label", UNetOptions(widths=(8, 16), blocks=1))
    codec = fit_label_codec(data.train, 3)
    result = train(net, codec, data, options, seed=0, folder=folder, augment=augment_images, look=look)
    return net, result


def weights(net):
    return torch.cat([p.detach().flatten() for p in net.parameters()])


def test_the_loss_falls(data, tmp_path):
    _, result = run(data, tmp_path, OPTIONS.model_copy(update={"steps": 80, "validate_every": 0.125}))
    losses = [line["validation_loss"] for line in result.history]
    assert losses[-1] < 0.8 * losses[0] and result.stopped == "finished" and result.step == 80


def test_an_interrupted_training_ends_with_the_same_weights(data, tmp_path):
    whole, _ = run(data, tmp_path / "whole")

    class Stop(Exception):
        pass

    def interrupt(net, step):
        if step >= 6:
            raise Stop

    options = OPTIONS.model_copy(update={"checkpoint_seconds": 1e-6})
    with pytest.raises(Stop):
        run(data, tmp_path / "cut", options, look=interrupt)
    steps = sorted(int(path.name[5:]) for path in (tmp_path / "cut").glob("step-*"))
    assert steps and max(steps) < 12
    resumed, result = run(data, tmp_path / "cut", options)
    assert torch.equal(weights(whole), weights(resumed)) and result.step == 12


@pytest.mark.parametrize("damage", ["truncate", "alter"])
def test_a_damaged_checkpoint_is_not_read(data, tmp_path, damage):
    whole, _ = run(data, tmp_path, OPTIONS)
    newest = sorted(tmp_path.glob("step-*"))[-1]
    file = newest / "trained.safetensors"
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content[:100] if damage == "truncate" else content)
    again, _ = run(data, tmp_path, OPTIONS)
    assert torch.equal(weights(whole), weights(again))


def test_a_loss_that_is_not_finite_ends_with_the_last_good_checkpoint(data, tmp_path):
    net, _ = run(data, tmp_path / "good", OPTIONS)
    options = OPTIONS.model_copy(update={"steps": 40, "checkpoint_seconds": 1e-6})
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = build_unet((1, 8, 8), 3, "label", UNetOptions(widths=(8, 16), blocks=1))

    def poison(current, step):
        if step >= 20:
            with torch.no_grad():
                net.enter.weight.fill_(float("nan"))

    # the look happens while the averages are in place; poisoning the optimiser's own weights needs the step after it
    def look(current, step):
        handle = net.register_forward_pre_hook(lambda *_: poison(current, step))
        net.poisoned = handle

    _, result = run(data, tmp_path / "bad", options, look=look, net=net)
    assert "not finite" in result.stopped and 0 < result.step < 40
    assert torch.isfinite(weights(net)).all()


def test_memorisation_stops_the_training(data, tmp_path):
    options = OPTIONS.model_copy(update={"early_stop": EarlyStopOptions(nearest_ratio=0.9)})
    _, result = run(data, tmp_path, options, look=lambda net, step: 0.3 if step >= 6 else 1.0)
    assert "nearest-neighbour ratio 0.30" in result.stopped and result.step < 12


def test_each_epoch_shows_every_row_once():
    seen = np.concatenate([batch_index(10, batch, 4, seed=1) for batch in range(5)])
    assert sorted(seen[:10]) == sorted(seen[10:]) == list(range(10))
    assert list(seen[:10]) != list(seen[10:])


def test_rows_that_are_encoded_once_teach_the_same(data, tmp_path, monkeypatch):
    held = run(data, tmp_path / "held")[0]
    monkeypatch.setattr("synthgen.training.encoded.HELD_BYTES", 0)
    assert torch.equal(weights(held), weights(run(data, tmp_path / "not")[0]))


def test_dear_rows_are_encoded_once_and_wait_on_disk(data, tmp_path, monkeypatch):
    codec, asked = fit_label_codec(data.train, 3), []
    dear = copy_with_components(codec, asked)
    held = EncodedRows(codec, data.train)
    monkeypatch.setattr("synthgen.training.encoded.HELD_BYTES", 0)
    rows = EncodedRows(dear, data.train, tmp_path)
    count, index = len(asked), np.array([3, 1, 3])
    x, condition = rows.take(index)
    assert torch.equal(x, held.take(index)[0]) and torch.equal(condition["label"], held.take(index)[1]["label"])
    x.zero_()
    assert rows.take(index)[0].abs().sum() > 0 and len(asked) == count
    EncodedRows(dear, data.train, tmp_path)  # of a training that goes on
    assert len(asked) == count + 1  # one row, to see the shape
    rows.forget()
    assert not list(tmp_path.iterdir())


def copy_with_components(codec, asked):
    """As the codec, yet one whose rows an autoencoder makes."""

    class Dear(type(codec)):
        def components(self):
            return {"vae": None}

        def encode(self, columns):
            asked.append(len(columns["image"]))
            return super().encode(columns)

    return Dear(**vars(codec))


@pytest.mark.parametrize("held", [0, 2**29])
def test_what_is_dear_to_encode_is_encoded_before_the_training(data, monkeypatch, held):
    monkeypatch.setattr("synthgen.training.encoded.HELD_BYTES", held)

    class Dear:
        def __init__(self, codec):
            self.codec, self.seen = codec, []

        def __getattr__(self, name):
            return getattr(self.codec, name)

        def keep_in(self, folder):
            raise AssertionError("nothing is kept here")

        def encode(self, columns):
            self.seen += columns["image"].tolist()
            return self.codec.encode(columns)

    codec = Dear(fit_label_codec(data.train, 3))
    told = []
    EncodedRows(codec, data.train, tell=told.append)
    assert told == ["40 of 40 rows encoded"]
    assert all(image in codec.seen for image in data.train["image"].tolist())


def test_a_net_of_frozen_weights_stays_as_it_is(data, tmp_path):
    net = build_unet((1, 8, 8), 3, "label", UNetOptions(widths=(8, 16), blocks=1)).requires_grad_(False)
    before = weights(net)
    looked = []
    _, result = run(data, tmp_path, look=lambda net, step: looked.append(step), net=net)
    assert (result.step, result.history, result.stopped) == (0, [], AS_IT_IS)
    assert torch.equal(weights(net), before) and not looked and not list(tmp_path.iterdir())


def test_what_was_taken_may_be_written_to(data):
    rows = EncodedRows(fit_label_codec(data.train, 3), data.train)
    index = np.array([3, 1, 3])
    x, condition = rows.take(index)
    x.zero_()
    for values in condition.values():
        values.zero_()
    assert rows.held is not None and rows.take(index)[0].abs().sum() > 0


def test_accumulation_is_a_larger_batch(data, tmp_path):
    plain = OPTIONS.model_copy(update={"steps": 3, "batch_size": 20, "augment": (), "drop": 0.0, "optimizer": "adamw"})
    parts = plain.model_copy(update={"batch_size": 10, "accumulate": 2})
    _, whole = run(data, tmp_path / "a", plain)
    _, split = run(data, tmp_path / "b", parts)
    assert whole.rows == split.rows
    assert split.history[-1]["validation_loss"] == pytest.approx(whole.history[-1]["validation_loss"], rel=0.1)
    shutil.rmtree(tmp_path / "a")


@pytest.mark.parametrize("precisions", [("bf16", "fp32"), ("fp32", "bf16")])
def test_one_process_may_train_in_one_precision_after_the_other(data, tmp_path, precisions):
    options = [OPTIONS.model_copy(update={"precision": name, "steps": 2}) for name in precisions]
    one, other = (run(data, tmp_path / chosen.precision, chosen)[0] for chosen in options)
    assert torch.isfinite(weights(one)).all() and not torch.equal(weights(one), weights(other))


def test_batches_of_groups_hold_one_width_and_every_row_once_an_epoch():
    groups = [np.array([0, 3, 6]), np.array([1, 2, 4, 5, 7, 8, 9])]
    sizes, of = (3, 7), {row: k for k, group in enumerate(groups) for row in group.tolist()}
    batches = [batch_of_groups(sizes, number, 3, 0, groups) for number in range(8)]  # two epochs of 1 + 3
    assert all(len({of[row] for row in batch.tolist()}) == 1 and len(batch) == 3 for batch in batches)
    for epoch in (batches[:4], batches[4:]):
        assert set(np.concatenate(epoch).tolist()) == set(range(10))
    assert any((a != b).any() for a, b in zip(batches[:4], batches[4:], strict=True))
    assert all((a == batch_of_groups(sizes, n, 3, 0, groups)).all() for n, a in enumerate(batches))


def test_a_net_that_keeps_all_its_layers_says_so(data, tmp_path):
    with pytest.raises(UserError, match=r"^train\.gradient_checkpointing: .* set it to false"):
        run(data, tmp_path, OPTIONS.model_copy(update={"gradient_checkpointing": True}))
