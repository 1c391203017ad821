"""Tokens lose nothing, tags and spans are each other's inverse, and the network learns what turns mean."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from synthgen.networks.intents import IntentNet, TurnSchedule, collate, fit_turns, infer_turns
from synthgen.networks.supervised import IGNORED
from synthgen.networks.turns import (
    UNSEEN,
    Example,
    decode_tags,
    encode,
    find_followers,
    find_spans,
    list_turns,
    number_intents,
    tag_tokens,
)
from synthgen.vocabulary import train_pieces

PLACES, DAYS = ("Peru", "Chad", "Japan", "New Zealand"), ("Monday", "Sunday")


def make_examples(count: int, seed: int = 0) -> tuple[list[Example], np.ndarray]:
    """Questions about a place (0) and answers with a day (1)."""
    draw = np.random.default_rng(seed)
    found = []
    for n in range(count):
        place, day = PLACES[draw.integers(4)], DAYS[draw.integers(2)]
        question, answer = f"when does it begin in {place}?", f"on {day}, in {place}"
        found.append(
            Example(question, answer, "assistant", (("day", day), ("place", place)))
            if n % 2
            else Example("", question, "user", (("place", place),))
        )
    return found, np.arange(count) % 2


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=40))
def test_no_character_is_lost(text: str) -> None:
    tokenizer = train_pieces(["hello there", "12 days"], 300)
    text = text.encode("utf-8", "ignore").decode()
    found = tokenizer.encode(text)
    assert bytes_of(tokenizer, found.ids) == text.encode()


def bytes_of(tokenizer, ids: list[int]) -> bytes:
    from tokenizers import decoders

    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer.decode(ids, skip_special_tokens=False).encode()


def test_the_tokenizer_repeats_itself() -> None:
    texts = [example.own for example in make_examples(40)[0]]
    one, other = train_pieces(texts, 400), train_pieces(list(reversed(texts)), 400)
    assert one.to_str() == other.to_str() and one.get_vocab_size() <= 400


def test_turns_come_with_the_ones_before() -> None:
    def objects(*values):
        return np.fromiter(values, object)

    roles = objects(("user", "assistant"), ("user",))
    examples, owners = list_turns(roles, objects(("a", "b"), ("c",)), objects(((), (("x", "b"),)), ((),)))
    assert examples == [
        Example("", "a", "user"),
        Example("a", "b", "assistant", (("x", "b"),)),
        Example("", "c", "user"),
    ]
    assert owners.tolist() == [0, 0, 1] and find_followers(owners).tolist() == [False, True, False]
    assert find_followers(owners[:0]).tolist() == []
    numbers = number_intents(objects(("ask", ""), ("new",)), ("thank", "ask"))
    assert numbers.tolist() == [1, IGNORED, UNSEEN]


def test_values_are_found_as_words_and_never_twice() -> None:
    assert find_spans("Nigeria or Niger", (("place", "Niger"),), ("place",)) == [(11, 16, 0)]
    assert find_spans("a b a", (("x", "a"), ("y", "a"), ("x", "a")), ("x", "y")) == [(0, 1, 0), (4, 5, 1)]
    assert find_spans("12 %", (("share", "12 %"),), ("other", "share")) == [(0, 4, 1)]
    assert find_spans("none", (("x", "z"), ("unknown", "none"), ("x", "")), ("x",)) == []


def test_tags_and_spans_are_inverse() -> None:
    content = "In New Zealand, Chad, 95% on Sunday"
    slots = (("place", "New Zealand"), ("place", "Chad"), ("share", "95%"), ("day", "Sunday"))
    names = ("day", "place", "share")
    encoded = encode(train_pieces([content] * 3, 270), [Example("", content, "user", slots)], names)
    assert encoded.spans(0, encoded.tags[0]) == set(find_spans(content, slots, names))
    places = [(0, 3, False), (3, 5, True), (6, 9, False), (10, 12, False)]
    assert tag_tokens([(0, 9, 1), (10, 12, 1), (20, 21, 0)], places) == ([3, 4, 4, 3], 1)
    assert decode_tags(np.array([3, 1, 4, 4]), places) == {(0, 12, 1)}  # a word is what its first token is
    assert decode_tags(np.array([0, 3, 4, 2]), places) == {(6, 9, 1), (10, 12, 0)}


def test_long_turns_keep_their_ends_next_to_each_other() -> None:
    tokenizer = train_pieces(["a b c"], 270)
    long = "x " * 300
    encoded = encode(tokenizer, [Example(long, long + "Chad", "user", (("place", "Chad"),))], ("place",))
    assert len(encoded.tokens[0]) == 128 and encoded.unreachable == [1]
    assert encoded.segments[0].tolist() == [0] * 32 + [1] * 96


def fitted(seed: int = 0, count: int = 200) -> tuple[IntentNet, object]:
    examples, intents = make_examples(count)
    tokenizer = train_pieces([example.own for example in examples], 320)
    encoded = encode(tokenizer, examples, ("day", "place"))
    net = IntentNet(tokenizer.get_vocab_size(), 2, 2)
    return fit_turns(net, encoded, intents, TurnSchedule(80, 16), seed), tokenizer


def test_it_learns_intents_and_slots() -> None:
    net, tokenizer = fitted()
    examples, intents = make_examples(40, seed=9)
    encoded = encode(tokenizer, examples, ("day", "place"))
    for answer in infer_turns(net, encoded):
        assert (answer.intents.argmax(1) == intents[answer.rows]).all()
        for place, row in enumerate(answer.rows.tolist()):
            own = answer.tags[place][: len(encoded.tags[row])]
            assert encoded.spans(row, own) == encoded.spans(row, encoded.tags[row])


def test_unknown_intents_are_not_learnt_from() -> None:
    examples, _ = make_examples(40)
    tokenizer = train_pieces([example.own for example in examples], 320)
    encoded = encode(tokenizer, examples, ("day", "place"))
    unknown = np.resize([UNSEEN, IGNORED], 40)
    net = fit_turns(IntentNet(tokenizer.get_vocab_size(), 2, 2), encoded, unknown, TurnSchedule(5, 8), 0)
    assert all(torch.isfinite(p).all() for p in net.parameters())


def test_it_learns_which_turn_follows() -> None:
    draw = np.random.default_rng(0)
    words = ("sun", "moon", "star", "rain")
    examples = [Example(f"tell me of the {w}", f"the {w} is there", "assistant") for w in draw.choice(words, 200)]
    tokenizer = train_pieces([example.own for example in examples], 300)
    net = fit_turns(
        IntentNet(tokenizer.get_vocab_size(), 0, 0), encode(tokenizer, examples, ()), None, TurnSchedule(100, 16), 0
    )
    asked = [Example(f"tell me of the {a}", f"the {b} is there", "assistant") for a in words for b in words]
    table = np.zeros(16)
    for answer in infer_turns(net, encode(tokenizer, asked, ())):
        table[answer.rows] = answer.fits
    assert (table.reshape(4, 4).argmax(1) == np.arange(4)).all()


def test_the_same_seed_gives_the_same_weights() -> None:
    one, other, third = (fitted(seed, 60)[0].state_dict() for seed in (0, 0, 1))
    assert all(torch.equal(one[name], other[name]) for name in one)
    assert not all(torch.equal(one[name], third[name]) for name in one)


def test_a_turn_is_read_by_itself() -> None:
    net, tokenizer = fitted(count=60)
    examples, _ = make_examples(30, seed=3)
    examples += [Example("", "", "user"), Example("hello there " * 9, "é 🙂 مرحبا", "system")]

    def read(some):
        found = {}
        for answer in infer_turns(net, encode(tokenizer, some, ("day", "place"))):
            for place, row in enumerate(answer.rows.tolist()):
                found[row] = answer.intents[place].tobytes() + answer.features[place].tobytes()
        return [found[row] for row in range(len(some))]

    whole = read(examples)
    assert whole[::-1] == read(examples[::-1]) and whole[:7] == read(examples[:7])
    assert read([]) == []


def test_neither_side_sees_the_other() -> None:
    net, tokenizer = fitted(count=60)
    pairs = [Example("when in Chad?", "on Sunday", "assistant"), Example("who?", "on Sunday", "assistant")]
    tokens, segments, lengths, _ = collate(encode(tokenizer, pairs, ()), np.arange(2))
    features = net(tokens, segments, lengths)[2]
    assert torch.allclose(features[0, :128], features[1, :128], atol=1e-5)
    assert not torch.allclose(features[0, 128:], features[1, 128:], atol=1e-2)


@pytest.mark.parametrize("length", [None, 48])
def test_padding_changes_nothing(length: int | None) -> None:
    net, tokenizer = fitted(count=60)
    encoded = encode(tokenizer, make_examples(6)[0], ("day", "place"))
    whole = net(*collate(encoded, np.arange(6), length)[:3])
    single = net(*collate(encoded, np.arange(1))[:3])
    assert torch.allclose(whole[0][:1], single[0], atol=1e-5) and torch.allclose(whole[2][:1], single[2], atol=1e-5)
