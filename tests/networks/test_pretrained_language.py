"""Pretrained masked language models as denoisers: loaded from checkpoints that transformers wrote, tiny ones."""

import copy

import pytest
import torch
from bases import FAMILIES, write_base
from reading import learn_and_read

from synthgen.diffusion.masked import Blocks
from synthgen.errors import UserError
from synthgen.networks.language import TextOptions, build_text_network, choose_pieces
from synthgen.sampling.loading import load_denoiser
from synthgen.sampling.pretrained import save_pipeline
from synthgen.training.options import TrainOptions
from synthgen.vocabulary import END, MASK, PAD, Vocabulary

TEXTS = ["March ⟨0⟩, 2024 is no holiday", "am ⟨0⟩. März 2024 [MASK]", "two ⟨1⟩ of them <mask>"]
SHAPE = {"segments": 2, "length": 40, "classes": 3, "values": 9}


@pytest.fixture(scope="module", params=sorted(FAMILIES))
def base(request, tmp_path_factory):
    return write_base(request.param, tmp_path_factory.mktemp("bases") / request.param)


def build(base):
    options = TextOptions(base=str(base))
    vocabulary = Vocabulary.fit(TEXTS, choose_pieces(options, None), 4, ("ask", "tell"))
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return vocabulary, build_text_network(options, vocabulary, **SHAPE)


def stir(net):
    """What starts at zero is told apart."""
    with torch.random.fork_rng():
        torch.manual_seed(1)
        for embedding in (net.segment, net.value, net.label):
            torch.nn.init.normal_(embedding.weight, std=0.5)
    return net.eval()


def make_rows(vocabulary):
    """Two rows of a prefix and two texts, the second shorter than its room."""
    segment, offset = torch.full((2, 24), -1), torch.zeros(2, 24, dtype=torch.long)
    for row, sizes in enumerate(((4, 8, 8), (2, 12, 4))):
        start = 0
        for number, size in enumerate(sizes, -1):
            segment[row, start : start + size], offset[row, start : start + size] = number, torch.arange(size)
            start += size
    generator = torch.Generator().manual_seed(2)
    x = torch.randint(vocabulary.first_piece, len(vocabulary), (2, 24), generator=generator)
    x[0, 20:] = x[1, 18:] = PAD
    x[0, 3] = vocabulary.mark("tell")
    value = torch.randint(0, 9, (2, 24), generator=generator)
    return x, {"segment": segment, "offset": offset, "value": value, "label": torch.tensor([0, 2])}


def look_at_all(x):
    rows, length = x.shape
    allowed = torch.ones(rows, length, length, dtype=torch.bool)
    return {"allowed": allowed, "asked": x == x, "place": torch.arange(length).expand_as(x)}


def test_it_says_what_the_checkpoint_says_before_it_is_taught(base):
    vocabulary, net = build(base)
    language = FAMILIES[base.name].model.from_pretrained(base).eval()
    ids = [language.config.pad_token_id, *range(20, 59)]  # longer than a window of near places
    x = torch.tensor([[PAD, *(vocabulary.first_piece + i for i in ids[1:])]])
    condition = {"segment": torch.zeros_like(x), "label": torch.tensor([1]), "value": torch.zeros_like(x)}
    with torch.inference_mode():
        found = net.eval()(x, torch.zeros(1), condition | look_at_all(x))
        at = {"position_ids": torch.arange(40)[None] + net.first}
        said = language(torch.tensor([ids]), attention_mask=torch.ones(1, 40), **at).logits[0]
    known = [piece for piece in range(60) if piece not in net.config.banned]
    torch.testing.assert_close(found[:, [vocabulary.first_piece + i for i in known]], said[:, known])


def test_a_block_is_learnt_as_it_is_written(base):
    vocabulary, net = build(base)
    stir(net)
    x, condition = make_rows(vocabulary)
    process = Blocks(MASK, END, PAD)
    hidden, _ = process.draw(x, condition, TrainOptions(), torch.Generator().manual_seed(1))
    learnt, read = learn_and_read(net, x, condition, hidden, process)
    torch.testing.assert_close(read, learnt, rtol=1e-4, atol=1e-4)
    assert torch.isneginf(learnt[:, [vocabulary.first_piece + i for i in net.config.banned]]).all()


def test_what_it_is_told_changes_what_it_says(base):
    vocabulary, net = build(base)
    stir(net)
    x, condition = make_rows(vocabulary)
    more = look_at_all(x)
    with torch.inference_mode():
        found = net(x, torch.zeros(2), condition | more)
        for name, values in (("label", torch.tensor([1, 1])), ("value", condition["value"].flip(1))):
            assert not torch.allclose(net(x, torch.zeros(2), condition | more | {name: values}), found), name
        untold = torch.zeros(2, dtype=torch.bool)
        one = net(x, torch.zeros(2), condition | more, untold)
        other = net(x, torch.zeros(2), condition | more | {"label": torch.tensor([2, 1])}, untold)
    torch.testing.assert_close(one, other)


def test_it_is_saved_whole_and_read_without_the_base(base, tmp_path):
    vocabulary, net = build(base)
    stir(net)
    save_pipeline(copy.deepcopy(net), Blocks(MASK, END, PAD), tmp_path)
    again = load_denoiser(tmp_path).eval()
    assert not [name for name in again.state_dict() if again.state_dict()[name].is_meta]
    x, condition = make_rows(vocabulary)
    more = condition | look_at_all(x)
    with torch.inference_mode():
        assert torch.equal(net(x, torch.zeros(2), more), again(x, torch.zeros(2), more))
    assert [path.suffix for path in (tmp_path / "denoiser").iterdir() if path.suffix != ".json"] == [".safetensors"]


def test_rotary_frequencies_stay_precise(base):
    _, net = build(base)
    before = {name: buffer.clone() for name, buffer in net.named_buffers() if buffer.dtype == torch.float32}
    assert before or base.name in ("bert", "xlm-roberta")  # whose places are learnt
    net.to(torch.bfloat16)
    after = dict(net.named_buffers())
    assert all(torch.equal(after[name], buffer) for name, buffer in before.items())
    assert next(net.parameters()).dtype == torch.bfloat16


def test_what_looks_like_a_special_token_in_a_text_is_text(base):
    vocabulary, net = build(base)
    special = {vocabulary.first_piece + number for number in net.config.banned}
    for text in TEXTS:
        ids = vocabulary.encode(text)
        assert not special & set(ids) and vocabulary.decode(ids, ("1", "2")) == text.replace("⟨0⟩", "1").replace(
            "⟨1⟩", "2"
        )


def test_bases_that_do_not_serve_are_refused(tmp_path):
    base = write_base("modernbert", tmp_path / "base")
    vocabulary = Vocabulary.fit(TEXTS, choose_pieces(TextOptions(base=str(base)), None), 4)
    with pytest.raises(UserError, match="reads 64 tokens and rows here have up to 65"):
        build_text_network(TextOptions(base=str(base)), vocabulary, **{**SHAPE, "length": 65})
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "config.json").write_text("{}")
    broken = (str(tmp_path / "broken"), "names no model of transformers")
    for name, match in ((str(tmp_path), "has no config.json"), broken, (" ", "''"), ("/no/such", "there is no folder")):
        with pytest.raises(UserError, match=rf"^model.base: .*{match}"):
            choose_pieces(TextOptions(base=name), None)
    lower = write_base("bert", tmp_path / "lower", lowercase=True)
    with pytest.raises(UserError, match=r"^model.base: its tokenizer turns 'March ' into 'march ', and"):
        Vocabulary.fit(TEXTS, choose_pieces(TextOptions(base=str(lower)), None), 4)
