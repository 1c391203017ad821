import json

import numpy as np
import pytest
import torch

from synthgen.labels.drawn import DrawnMasks
from synthgen.labels.mask_codes import MaskCodes
from synthgen.labels.options import MaskConditionOptions, MaskDiffusionOptions

SMALL = MaskConditionOptions(
    masks="diffusion", diffusion=MaskDiffusionOptions(steps=60, batch_size=16, resolution=8, width=16, sample_steps=4)
)

WEIGHTS = "diffusion_pytorch_model.safetensors"
BRIEF = SMALL.model_copy(update={"diffusion": SMALL.diffusion.model_copy(update={"steps": 2})})


def halves(count=64, size=16):
    """Class 2 on one side of a vertical border, class 0 on the other."""
    rng = np.random.default_rng(0)
    masks = np.zeros((count, size, size), np.uint8)
    for mask in masks:
        mask[:, : rng.integers(4, 12)] = 2
    return masks


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """Tiny tensors gain nothing from more, and lose much on a busy machine."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run") / "masks"
    options = SMALL.model_copy(update={"turn": False, "mirror": False})
    return folder, options, DrawnMasks.fit(halves(), 3, options, 0, folder)


def test_drawn_masks_have_learnt_where_the_classes_lie(trained):
    masks = trained[2].draw(np.arange(60))["mask"]
    assert masks.dtype == np.uint8 and masks.shape == (60, 16, 16)
    assert (masks == 1).mean() < 0.02
    assert (masks[:, :, :3] == 2).mean() > 0.9
    assert (masks[:, :, -3:] == 0).mean() > 0.9


def test_drawn_masks_depend_on_the_seed_and_the_index(trained):
    drawn = trained[2]
    masks = drawn.draw(np.arange(8))["mask"]
    np.testing.assert_array_equal(masks, drawn.draw(np.arange(8))["mask"])
    assert (masks[3:5] != drawn.draw(np.array([3, 4]))["mask"]).mean() < 0.01
    assert len(np.unique(masks.reshape(8, -1), axis=0)) > 1
    assert drawn.draw(np.zeros(0, np.int64))["mask"].shape == (0, 16, 16)


def test_a_second_call_reads_the_folder_instead_of_training(trained, monkeypatch):
    folder, options, first = trained
    monkeypatch.setattr("synthgen.labels.drawn._train", None)
    again = DrawnMasks.fit(halves(), 3, options, 0, folder)
    np.testing.assert_array_equal(first.draw(np.arange(5))["mask"], again.draw(np.arange(5))["mask"])
    with pytest.raises(TypeError):  # another seed must train
        DrawnMasks.fit(halves(), 3, options, 1, folder)


def test_another_seed_of_the_rows_keeps_the_net(trained, monkeypatch):
    folder, options, first = trained
    monkeypatch.setattr("synthgen.labels.drawn._train", None)
    other = first.with_seed(7)
    masks = other.draw(np.arange(5))["mask"]
    assert (masks != first.draw(np.arange(5))["mask"]).any()
    again = DrawnMasks.fit(halves(), 3, options, 0, folder).with_seed(7)
    np.testing.assert_array_equal(masks, again.draw(np.arange(5))["mask"])


def test_a_damaged_folder_is_made_again_with_the_same_bytes(tmp_path):
    folder, options = tmp_path / "masks", BRIEF
    DrawnMasks.fit(halves(), 3, options, 0, folder)
    weights = (folder / WEIGHTS).read_bytes()
    (folder / WEIGHTS).write_bytes(weights[:-1] + bytes([weights[-1] ^ 1]))
    DrawnMasks.fit(halves(), 3, options, 0, folder)
    assert (folder / WEIGHTS).read_bytes() == weights
    (folder / "masks.json").write_text("{")
    DrawnMasks.fit(halves(), 3, options, 0, folder)
    assert json.loads((folder / "masks.json").read_text())["codes"]["classes"] == 3
    assert sorted(p.name for p in folder.parent.iterdir()) == ["masks"]


def test_training_leaves_the_global_generator_alone():
    state = torch.get_rng_state()
    DrawnMasks.fit(halves(), 3, BRIEF, 0, None)
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("classes", [2, 3, 8, 9, 300])
def test_codes_bring_masks_of_any_number_of_classes_back(classes):
    masks = np.random.default_rng(0).integers(0, classes, size=(20, 2, 2)).repeat(8, 1).repeat(8, 2)
    masks = masks.astype(np.uint8 if classes <= 256 else np.uint16)
    codes = MaskCodes.fit(masks, classes, 16)
    x = codes.encode(masks)
    assert x.shape == (20, *codes.shape) and codes.shape[1:] == (16, 16)
    assert x.mean((0, 2, 3)).abs().max() < 1e-4
    back = codes.decode(x)
    assert back.dtype == masks.dtype
    np.testing.assert_array_equal(back, masks)
    assert MaskCodes.from_state(json.loads(json.dumps(codes.state()))) == codes


def test_codes_of_a_coarse_grid_keep_outlines_finer_than_the_grid():
    y, x = np.mgrid[:64, :64]
    disc = ((y - 30) ** 2 + (x - 33) ** 2 < 15**2).astype(np.uint8)[None]
    codes = MaskCodes.fit(disc, 2, 16)
    assert codes.grid == (16, 16)
    assert (codes.decode(codes.encode(disc)) != disc).mean() < 0.01
