"""LLaDA2's block refinement: our sampler against diffusers' own pipeline, on a tiny checkpoint in its format."""

import pytest
import torch
import transformers
from bases import ALL, write_refiner
from diffusers import BlockRefinementScheduler, LLaDA2Pipeline

from synthgen.diffusion.masked import Blocks
from synthgen.networks.language import TextOptions, build_text_network, choose_block, choose_pieces
from synthgen.networks.pretrained_language import mask_attention
from synthgen.sampling.options import SampleOptions
from synthgen.vocabulary import END, MASK, PAD, Vocabulary

BLOCK, LENGTH, ROWS = 8, 32, 12
WAYS = [  # steps, threshold, editing threshold
    (8, 0.95, None),  # one after the other
    (3, 0.95, None),  # 3, 3, 2 at once
    (8, 0.03, None),  # many are sure enough
    (5, 0.03, 0.02),  # and many are written over
    (12, 0.1, 0.05),  # more steps than a block has tokens
]


@pytest.fixture(scope="module", params=["modernbert", "bert", "llama"])
def refiner(request, tmp_path_factory):
    folder = write_refiner(request.param, tmp_path_factory.mktemp("bases") / request.param, BLOCK)
    options = TextOptions(base=str(folder), adapt="full")
    vocabulary = Vocabulary.fit(["two of them"], choose_pieces(options, None), 0)
    net = build_text_network(options, vocabulary, segments=1, length=LENGTH).eval()
    assert choose_block(options, None) == BLOCK
    language = ALL[request.param].model.from_pretrained(folder / "model").eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder / "tokenizer")
    if request.param == "modernbert":  # some rows shall end before their room does
        for model in (net.language, language):
            model.get_output_embeddings().bias.data[tokenizer.eos_token_id] += 2.0
    return net, language, tokenizer, vocabulary


class Blockwise(torch.nn.Module):
    """The same model for several blocks, as LLaDA2's own code attends: to no block behind one's own. It scores only
    what our net may write."""

    def __init__(self, net, language, whole):
        super().__init__()
        self.language, self.whole = language, whole
        tokens = torch.arange(3 + net.config.pieces)
        self.known = sorted(set(net.number(tokens[~torch.isin(tokens, torch.tensor(net.never))]).tolist()))
        self.device = torch.device("cpu")

    def forward(self, x, attention_mask, position_ids):
        block = position_ids // BLOCK
        allowed = (block[:, None, :] <= block[:, :, None]) & (attention_mask[:, None] > 0)
        mask = attention_mask if self.whole else mask_attention(allowed, position_ids, self.language.config)
        found = self.language(x, attention_mask=mask, position_ids=position_ids)
        none = torch.full_like(found.logits, -1e4)
        none[..., self.known] = found.logits[..., self.known]
        none[..., 1] = -1e4  # the hidden token
        return type(found)(logits=none)


def write_theirs(refiner, prompt, count, way, whole=False):
    net, language, tokenizer, vocabulary = refiner
    pipeline = LLaDA2Pipeline(Blockwise(net, language, whole), BlockRefinementScheduler(BLOCK), tokenizer)
    pipeline.set_progress_bar_config(disable=True)
    steps, threshold, editing = way
    ids = prompt - vocabulary.first_piece
    found = pipeline(
        input_ids=ids[None], gen_length=count, block_length=BLOCK, num_inference_steps=steps, temperature=0.0,
        threshold=threshold, editing_threshold=editing, output_type="seq",
    ).sequences[0]  # fmt: skip
    return torch.where(found == tokenizer.eos_token_id, END, found + vocabulary.first_piece)


def write_ours(refiner, known, way, temperature=0.0):
    steps, threshold, editing = way
    options = SampleOptions(
        steps=steps, temperature=temperature, solver="refine", threshold=threshold, editing_threshold=editing
    )
    place = torch.arange(known.shape[1]).expand_as(known)
    condition = {"segment": torch.zeros_like(known), "offset": place, "known": known}
    process = Blocks(MASK, END, PAD, BLOCK)
    with torch.inference_mode():
        noise = process.draw_noise(0, range(len(known)), known.shape[1:], options)
        return process.solve(refiner[0], noise, condition, options)


def draw_prompts(vocabulary, length):
    generator = torch.Generator().manual_seed(length)
    return torch.randint(vocabulary.first_piece + 3, len(vocabulary), (ROWS, length), generator=generator)


@pytest.mark.parametrize("way", WAYS, ids=str)
@pytest.mark.parametrize("given", [1, 8, 11])
def test_it_writes_what_their_pipeline_writes(refiner, way, given):
    prompts = draw_prompts(refiner[3], given)
    known = torch.full((ROWS, LENGTH), -1)
    known[:, :given] = prompts
    ours = write_ours(refiner, known, way)
    assert torch.equal(ours[:, :given], prompts)
    for row, prompt in zip(ours[:, given:], prompts, strict=True):
        theirs = write_theirs(refiner, prompt, LENGTH - given, way)
        end = int((theirs == END).long().argmax()) + 1 if (theirs == END).any() else len(theirs)
        assert row[:end].tolist() == theirs[:end].tolist()
        assert (row[end:] == PAD).all() or end == len(theirs)
    if type(refiner[1]).__name__.startswith("ModernBert") and (given, way) == (1, WAYS[0]):
        assert 0 < (ours == END).any(1).sum() < ROWS
    assert len({tuple(row.tolist()) for row in ours[:, given:]}) > 1


@pytest.mark.parametrize("way", WAYS, ids=str)
def test_in_one_block_the_model_may_attend_as_it_likes(refiner, way):
    if type(refiner[1]).__name__.endswith("ForCausalLM"):
        pytest.skip("looks to the left alone, unless it is told where to look")
    prompts = draw_prompts(refiner[3], 2)
    known = torch.full((ROWS, BLOCK), -1)
    known[:, :2] = prompts
    way = (min(way[0], BLOCK - 2), *way[1:])  # theirs takes no more steps than there is to write
    for row, prompt in zip(write_ours(refiner, known, way), prompts, strict=True):
        theirs = write_theirs(refiner, prompt, BLOCK - 2, way, whole=True)
        end = int((theirs == END).long().argmax()) + 1 if (theirs == END).any() else len(theirs)
        assert row[2:][:end].tolist() == theirs[:end].tolist()


@pytest.mark.parametrize("way", WAYS, ids=str)
@pytest.mark.parametrize("temperature", [0.0, 0.8])
def test_what_is_known_stays_wherever_it_stands(refiner, way, temperature):
    vocabulary = refiner[3]
    generator = torch.Generator().manual_seed(5)
    fixed = torch.rand(ROWS, LENGTH, generator=generator) < 0.3
    known = torch.where(fixed, draw_prompts(vocabulary, LENGTH), -1)
    ours = write_ours(refiner, known, way, temperature)
    there = (ours == END).cumsum(1) == 0  # blocks behind an end are left empty
    assert torch.equal(ours[fixed & there], known[fixed & there]) and (ours != MASK).all()
    alone = write_ours(refiner, known[:1], way, temperature)
    assert torch.equal(alone[0], ours[0])  # its company changes nothing
