"""The prefix language model: what it may look at, that it learns, and that kept keys change nothing."""

import numpy as np
import torch

from synthgen.networks.autoregressive import (
    AutoregressiveText,
    Line,
    Shape,
    allow,
    fit_lines,
    generate,
    loss_of,
    pack_lines,
)
from synthgen.vocabulary import END, PAD

SHAPE = Shape(12, segments=3, length=16, width=32, depth=2, values=3)


def make_lines(count, seed=0):
    draw = np.random.default_rng(seed)
    lines = []
    for _ in range(count):
        given = draw.integers(4, 12, draw.integers(2, 5)).tolist()
        seen = (3, *given, END)
        lines.append(Line(seen, (1,) + (0,) * (len(seen) - 1), (0,) + (1,) * (len(seen) - 1), (*given[::-1], END)))
    return lines


def test_what_is_seen_is_read_both_ways_and_the_rest_from_left_to_right():
    rows = pack_lines([Line((4, 5, END), (0, 0, 0), (1, 1, 1), (6, 7, END))], 8, 2)
    allowed = allow(rows)[0, 0]
    assert allowed[:3, :3].all() and not allowed[0, 3] and allowed[4, :5].all() and not allowed[4, 5]
    assert not allowed[:, 6:].any()  # filling
    assert rows.segment[0, :6].tolist() == [1, 1, 1, 2, 2, 2] and rows.offset[0, :6].tolist() == [0, 1, 2, 0, 1, 2]


def test_the_next_text_begins_behind_an_end():
    rows = pack_lines([Line((4,), (0,), (0,), (6, END, 7, END))], 8, 1)
    assert rows.segment[0, :5].tolist() == [0, 1, 1, 2, 2] and rows.x[0, 5:].tolist() == [PAD] * 3


def test_logits_do_not_look_ahead():
    torch.manual_seed(0)
    net = AutoregressiveText(SHAPE).eval()
    for block in net.each():
        torch.nn.init.normal_(block.out.weight, std=0.1)
    one = net(pack_lines([Line((4, 5), (0, 0), (1, 1), (6, 7, END))], 8, 2))
    other = net(pack_lines([Line((4, 5), (0, 0), (1, 1), (6, 9, END))], 8, 2))
    assert torch.allclose(one[0, :3], other[0, :3], atol=1e-6) and not torch.allclose(one[0, 3], other[0, 3])


def test_it_learns_to_reverse_and_repeats_bit_for_bit():
    lines = make_lines(1000)
    net = fit_lines(lines, SHAPE, first_written=2, steps=300, batch_size=32, rate=1e-2)
    again = fit_lines(lines, SHAPE, first_written=2, steps=300, batch_size=32, rate=1e-2)
    assert all(torch.equal(a, b) for a, b in zip(net.parameters(), again.parameters(), strict=True))
    asked = make_lines(100, seed=1)
    found = generate(net, asked, first_written=2, longest=8)
    assert np.mean([tuple(tokens) == line.written for tokens, line in zip(found, asked, strict=True)]) > 0.4
    drawn = generate(net, asked, first_written=2, longest=8, temperature=1.0, u=np.full((100, 8), 0.5, np.float32))
    assert np.mean([a == b for a, b in zip(found, drawn, strict=True)]) > 0.3
    rows = pack_lines(asked, 16, 2)
    assert float(loss_of(net, rows)) < 1.0


def test_kept_keys_give_what_reading_anew_gives():
    net = fit_lines(make_lines(50), SHAPE, first_written=2, steps=20, batch_size=16, rate=1e-2).float()
    line = make_lines(1, seed=3)[0]
    found = generate(net, [line], first_written=2, longest=6)[0]
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        for place, token in enumerate(found):
            width = len(line.seen) + place
            rows = pack_lines([Line(line.seen, line.values, line.segments, tuple(found[:place]))], width, 2)
            logits = net(rows)[0, -1]
            assert float(logits[token]) > float(logits.max()) - 0.1  # bfloat16


def test_nothing_is_written_for_no_line():
    assert generate(AutoregressiveText(SHAPE), [], first_written=2, longest=4) == []
