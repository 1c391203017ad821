"""What is refused of a checkpoint by its small files alone: its weights here are no weights."""

import json
import os
import subprocess
import sys

import pytest
import torch
import transformers
from bases import write_base, write_refiner

from synthgen.errors import UserError
from synthgen.networks.language import TextOptions, build_text_network, choose_pieces
from synthgen.networks.language_bases import CAUSAL, MASKED, examine_base
from synthgen.vocabulary import Vocabulary


@pytest.fixture
def folder(tmp_path):
    """ModernBERT with a weight file that nothing could read."""
    base = write_base("modernbert", tmp_path / "base")
    (base / "model.safetensors").write_bytes(b"no weights")
    return base


def change(folder, file="config.json", **more):
    path = folder / file
    path.write_text(json.dumps({**json.loads(path.read_text()), **more}))


def refuse(folder, told):
    with pytest.raises(UserError, match=rf"^model\.base: .*{told}") as caught:
        examine_base(str(folder), None)
    text = str(caught.value)
    assert "\n" not in text and ("choose" in text or "name " in text)  # the fix


def test_a_masked_language_model_is_known_without_its_weights(folder):
    base = examine_base(str(folder), None)
    assert (base.head, base.model, base.tokenizer, base.block) == (MASKED, "", "", None)
    assert base.load_tokenizer().mask_token == "[MASK]"
    change(folder, auto_map={"AutoModel": "own.Model"})  # beside what transformers knows by itself
    assert examine_base(str(folder), None) == examine_base(str(folder), None)


def test_code_of_its_own_is_never_run(folder):
    change(folder, model_type="llada2_moe", auto_map={"AutoModelForCausalLM": "modeling_llada2_moe.LLaDA2MoeModelLM"})
    (folder / "modeling_llada2_moe.py").write_text("raise SystemExit('was run')")
    refuse(folder, r"needs code of its own \(llada2_moe; auto_map in config.json\), which is never run")


def test_code_of_its_own_is_not_run_in_a_pipeline_either(tmp_path):
    base = write_refiner("modernbert", tmp_path / "refiner")
    assert examine_base(str(base), None).block == 8
    change(base, "model/config.json", model_type="llada2_moe", auto_map={"AutoModelForCausalLM": "own.Model"})
    refuse(base, "needs code of its own")


def test_pickles_are_never_read(folder):
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    refuse(folder, "has its weights only as pytorch_model.bin, a pickle, which may run code")
    (folder / "pytorch_model.bin").unlink()
    refuse(folder, "has no safetensors")


def test_a_pipeline_whose_model_is_a_pickle_is_refused(tmp_path):
    base = write_refiner("bert", tmp_path / "refiner")
    (base / "model" / "model.safetensors").rename(base / "model" / "pytorch_model.bin")
    refuse(base, "has its weights only as model/pytorch_model.bin, a pickle")


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({"model_type": "llama", "architectures": ["LlamaForCausalLM"]}, "is a llama, which writes from left to right"),
        ({"model_type": "vit", "architectures": ["ViTModel"]}, "is a vit, which is no language model"),
        ({"architectures": ["ModernBertForSequenceClassification"]}, "is a ModernBertForSequenceClassification, which"),
        ({"model_type": "nonsense"}, "is a nonsense, which is no language model"),
    ],
)
def test_other_kinds_of_models_are_told(folder, more, told):
    change(folder, **more)
    refuse(folder, told)


def test_other_pipelines_are_told(folder, tmp_path):
    (folder / "model_index.json").write_text(json.dumps({"_class_name": "StableDiffusionPipeline"}))
    refuse(folder, "is a StableDiffusionPipeline, which writes no texts")
    (folder / "model_index.json").write_text(json.dumps({"_class_name": ["synthgen.pretrained", "BlockPipeline"]}))
    refuse(folder, "is the model of an earlier run")
    (folder / "model_index.json").write_text("[]")
    refuse(folder, "model_index.json of .* is no JSON object")
    (folder / "model_index.json").write_text(json.dumps({"_class_name": "LLaDA2Pipeline"}))
    refuse(folder, "has no model/config.json")


def test_a_language_model_of_any_kind_may_be_in_a_refiner(tmp_path):
    base = examine_base(str(write_refiner("llama", tmp_path / "refiner")), None)
    assert base.head == CAUSAL and base.block == 8


def test_what_is_no_folder_and_not_on_the_hub_is_told(tmp_path, monkeypatch):
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    for name in ("nobody/nothing", "no name", "a/b/c", " "):
        with pytest.raises(UserError, match=r"^model\.base: "):
            examine_base(name, None)


def test_a_model_without_a_head_for_hidden_tokens_is_refused(tmp_path):
    base = write_base("modernbert", tmp_path / "base")
    model = transformers.ModernBertModel.from_pretrained(base)
    model.save_pretrained(base)
    change(base, architectures=None)
    options = TextOptions(base=str(base))
    vocabulary = Vocabulary.fit(["two of them"], choose_pieces(options, None), 2)
    with pytest.raises(UserError, match=r"^model\.base: .* has no weights for .* of a masked language model"):
        build_text_network(options, vocabulary, segments=1, length=16)


def test_targets_and_tokenizers_are_looked_at_before_weights(folder):
    options = TextOptions(base=str(folder), targets=("to_q",))
    vocabulary = Vocabulary.fit(["two of them"], choose_pieces(options, None), 2)
    with pytest.raises(UserError, match=r"^model\.targets: no layer of .* ends with to_q; .* Wqkv"):
        build_text_network(options, vocabulary, segments=1, length=16)
    with pytest.raises(UserError, match=r"^model\.base: .* reads 64 tokens"):
        build_text_network(TextOptions(base=str(folder)), vocabulary, segments=1, length=65)
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    tokenizer.add_tokens([f"word {n}" for n in range(20)])
    tokenizer.save_pretrained(folder)
    with pytest.raises(UserError, match=r"^model\.base: the tokenizer of .* knows more tokens than its model"):
        build_text_network(TextOptions(base=str(folder)), vocabulary, segments=1, length=16)
    change(folder, "tokenizer_config.json", mask_token=None)
    with pytest.raises(UserError, match=r"^model\.base: the tokenizer of .* has no mask token"):
        choose_pieces(options, None)


def test_a_model_that_looks_to_the_left_alone_is_refused(tmp_path, monkeypatch):
    base = write_refiner("llama", tmp_path / "refiner")
    options = TextOptions(base=str(base))
    vocabulary = Vocabulary.fit(["two of them"], choose_pieces(options, None), 2)

    def look_left(allowed, place, config):
        return (allowed & (place[:, None] <= place[:, :, None]))[:, None]

    monkeypatch.setattr("synthgen.networks.pretrained_language.mask_attention", look_left)
    with pytest.raises(UserError, match=r"^model\.base: .* sees nothing of what stands behind"):
        build_text_network(options, vocabulary, segments=1, length=16)
    monkeypatch.setattr(
        "synthgen.networks.pretrained_language.mask_attention",
        lambda allowed, place, config: torch.ones_like(allowed)[:, None],
    )
    with pytest.raises(UserError, match=r"^model\.base: .* looks at tokens it may not see"):
        build_text_network(options, vocabulary, segments=1, length=16)


PROGRAM = """
import sys
from synthgen.networks.language import TextOptions, build_text_network, choose_block, choose_pieces
from synthgen.vocabulary import Vocabulary
from synthgen.errors import UserError
try:
    options = TextOptions(base="owner/name", revision=sys.argv[1])
    vocabulary = Vocabulary.fit(["two of them"], choose_pieces(options, None), 2)
    net = build_text_network(options, vocabulary, segments=1, length=16)
    print(net.config.base["model_type"], choose_block(options, None), options.is_pinned)
except UserError as error:
    print(error)
"""


@pytest.mark.slow
@pytest.mark.parametrize("write", [write_base, write_refiner])
def test_an_id_of_the_hub_is_read_from_its_cache(tmp_path, write):
    commit = "0123456789" * 4
    home = tmp_path / "hub" / "models--owner--name"
    write("modernbert", home / "snapshots" / commit)
    (home / "refs").mkdir()
    (home / "refs" / "main").write_text(commit)
    env = {**os.environ, "HF_HUB_CACHE": str(tmp_path / "hub"), "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}

    def ask(revision):
        told = [sys.executable, "-c", PROGRAM, revision]
        return subprocess.run(told, env=env, check=True, capture_output=True, text=True, timeout=120).stdout.strip()

    block = 4 if write is write_base else 8
    assert ask(commit) == f"modernbert {block} True" and ask("main") == f"modernbert {block} False"
    assert ask("other").startswith("model.base: owner/name has no config.json")
