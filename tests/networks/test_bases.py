"""Which models a training may start from, and what is said of the others."""

import json

import pytest
from bases import write_base
from pydantic import ValidationError

from synthgen.diffusion.process import FLOW
from synthgen.errors import UserError
from synthgen.networks.bases import FACTS, OwnBase, find_own, identify, refuse_other, take_shape
from synthgen.networks.language import TextOptions
from synthgen.networks.tokens import PointTokenOptions, TokenOptions
from synthgen.networks.unet import SmallUNet, UNetOptions
from synthgen.sampling.pretrained import save_pipeline


@pytest.fixture
def own(tmp_path):
    """A run's folder with the model of an untrained net."""
    net = SmallUNet(channels=1, size=(8, 8), patch=1, classes=2, condition="label", widths=(8, 16), blocks=1)
    save_pipeline(net, FLOW, tmp_path / "run" / "model")
    facts = {"task": "classification", "axes": {"classes": ["a", "b"]}}
    (tmp_path / "run" / "model" / FACTS).write_text(json.dumps(facts))
    return tmp_path / "run"


def test_each_format_is_told_by_its_files(own, tmp_path):
    assert identify(str(own)) == identify(str(own / "model")) == "own"
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "model_index.json").write_text('{"_class_name": "StableDiffusionPipeline"}')
    assert identify(str(tmp_path / "other")) == "diffusers"
    assert identify(str(write_base("bert", tmp_path / "bert"))) == "transformers"
    assert identify("answerdotai/ModernBERT-base") == "hub"


@pytest.mark.parametrize(
    "name, what",
    [("", "is no model"), ("/no/where", "there is no folder"), ("empty", "has no config.json and no model_index.json")],
)
def test_a_base_that_is_none_is_named(name, what, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match=f"^model.base: .*{what}.*; name"):
        identify(str(tmp_path / "empty") if name == "empty" else name)


def test_a_base_is_known_by_its_digest_and_its_facts(own):
    base = find_own(UNetOptions(base=str(own)))
    assert (base.net, base.task, base.axes) == ("SmallUNet", "classification", {"classes": ["a", "b"]})
    assert base.run == own and base == OwnBase.read(str(own)) and len(base.sha256) == 64
    assert find_own(UNetOptions()) is None
    (own / "model" / "denoiser" / "config.json").unlink()
    with pytest.raises(UserError, match="^model.base: .* is not whole"):
        find_own(UNetOptions(base=str(own)))


@pytest.mark.parametrize("name", ["stabilityai/some-model", "other", "bert"])
def test_series_start_from_our_own_models_alone(name, tmp_path):
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "model_index.json").write_text('{"_class_name": "StableDiffusionPipeline"}')
    if name == "bert":
        write_base("bert", tmp_path / "bert")
    base = name if "/" in name else str(tmp_path / name)
    with pytest.raises(UserError, match="^model.base: .*; name the model folder of an earlier run, or write null$"):
        find_own(TokenOptions(base=base))


def test_images_start_from_pipelines_too(tmp_path):
    (tmp_path / "model_index.json").write_text('{"_class_name": "StableDiffusionPipeline"}')
    for base in ("stabilityai/some-model", str(tmp_path)):
        assert find_own(UNetOptions(base=base)) is None
        with pytest.raises(UserError, match="^model.continue: .*no run of ours"):
            find_own(UNetOptions.model_validate({"base": base, "continue": {}}))


def test_texts_are_left_to_their_own_network(tmp_path):
    base = str(write_base("bert", tmp_path / "bert"))
    assert find_own(TextOptions(base=base)) is None
    with pytest.raises(UserError, match="^model.continue: .*no run of ours.*; name a run's folder"):
        find_own(TextOptions.model_validate({"base": base, "continue": {}}))


def test_the_base_brings_its_shape(own):
    base = OwnBase.read(str(own))
    options = take_shape(UNetOptions(base=str(own)), base)
    assert (options.widths, options.blocks, options.patch) == ((8, 16), 1, 1)
    assert take_shape(UNetOptions(base=str(own), widths=(8, 16), patch=2), base).patch == 2
    with pytest.raises(
        UserError, match=r"^model.widths: \(8,\) is not the shape of .*, which has \(8, 16\); remove it"
    ):
        take_shape(UNetOptions(base=str(own), widths=(8,)), base)


@pytest.mark.parametrize(
    "options, task, what",
    [
        (
            TokenOptions,
            "timeseries",
            "is a SmallUNet of classification, and .* timeseries need a TokenDenoiser",
        ),
        (PointTokenOptions, "shapes3d", "need a TokenDenoiser"),
        (TextOptions, "qa", "need a TextDenoiser"),
        (UNetOptions, "segmentation", "draws rows of classification, not of segmentation"),
    ],
)
def test_another_modality_is_refused(options, task, what, own):
    with pytest.raises(UserError, match=f"^model.base: .*{what}.*; name a model of .* or write null$"):
        refuse_other(options(base=str(own)), task, OwnBase.read(str(own)))
    refuse_other(UNetOptions(base=str(own)), "classification", OwnBase.read(str(own)))


@pytest.mark.parametrize(
    "given, told",
    [
        ({"revision": "main"}, "^model.revision: 'main' is of the Hub"),
        ({"rank": 4}, "^model.rank: 4 is of adapt: lora; set model.adapt to lora"),
        ({"targets": ("qkv",)}, "^model.targets: "),
    ],
)
def test_fields_of_other_ways_are_refused(given, told, own):
    with pytest.raises(UserError, match=told):
        find_own(UNetOptions(base=str(own), **given))
    assert find_own(UNetOptions(base=str(own), adapt="lora", rank=4, alpha=2, targets=("conv1",))) is not None


def test_what_cannot_be_is_refused_without_looking_at_a_disk():
    for given, told in (
        ({"adapt": "full"}, "adapt says how a base is trained, and base is null; set model.base, or"),
        ({"continue": {"replay": 0.5}}, "continue says how a base is trained, and base is null; set model.base, or"),
        ({"base": "x", "adapt": "heads", "rank": 2}, "rank is of lora, and adapt is heads; set model.adapt to lora"),
    ):
        with pytest.raises(ValidationError, match=told):
            UNetOptions.model_validate(given)


def test_continue_keeps_its_name_in_documents():
    options = UNetOptions.model_validate({"base": "x", "continue": {"replay": 0.5}})
    assert options.continue_.replay == 0.5 and options.model_dump()["continue"] == {"replay": 0.5}
    assert UNetOptions.model_validate(options.model_dump()) == options
