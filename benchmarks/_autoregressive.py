"""The usual model of texts beside ours: as many blocks of as many channels, the same rows, slots and seconds.

A prefix language model writes a pair token by token: the leading side, then the other. A process of its own, so that
no other training shares its threads.

    python benchmarks/_autoregressive.py RUN         # a line of JSON at the end
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median, stdev
from typing import Any

import numpy as np

from synthgen import pipeline
from synthgen.codecs.tokens import Frame
from synthgen.networks.autoregressive import AutoregressiveText, Line, Shape, Trainer, batches_of, generate
from synthgen.progress import Silent
from synthgen.recipe import load
from synthgen.run_folder import RunFolder
from synthgen.slots import VALUES
from synthgen.tasks.translation import judge_exactly
from synthgen.types import Columns, as_objects, count_rows, take_rows, thin_rows

ROWS, ROUNDS = 512, 5  # rows that are drawn, and how often each side is timed
BATCHES = (16, 64, 256)  # rows that are written together
BATCH, RATE = 128, 8e-3


def make_line(frame: Frame, given: bool) -> Line:
    """The row of a frame: the slots are seen, and the leading side too where it is given."""
    tokens, values = [told.token for told in frame.prefix], [told.value for told in frame.prefix]
    segments = [0] * len(tokens)
    texts = [[token for token in segment.tokens if token is not None] for segment in frame.segments]
    if given:
        tokens, values, segments = tokens + texts[0], values + [0] * len(texts[0]), segments + [1] * len(texts[0])
        texts = texts[1:]
    written = tuple(token for text in texts for token in text)
    return Line(tuple(tokens), tuple(values), tuple(segments), written, frame.label)


def train(shop: pipeline.Workshop, seconds: float) -> tuple[AutoregressiveText, int]:
    """(net, steps): half of the batches are given their leading side, half are not."""
    codec: Any = shop.maker.sampler.codec
    frames = list(codec.frames(codec.views(shop.data.train)))
    streams = [
        batches_of([make_line(frame, given) for frame in frames], BATCH, 1 + given, seed)
        for seed, given in enumerate((False, True))
    ]
    config = shop.maker.sampler.net.config
    shape = Shape(
        len(codec.vocabulary), 3, codec.longest + 1, config.width, config.depth, 2 * len(shop.data.classes), VALUES
    )
    net, step, began = AutoregressiveText(shape).to(shop.maker.sampler.device), 0, time.monotonic()
    trainer = Trainer(net, RATE)
    while (share := (time.monotonic() - began) / seconds) < 1:
        trainer.step(next(streams[step % 2]), share)
        step += 1
    return net.eval(), step


def write(shop: pipeline.Workshop, net: AutoregressiveText, conditions: Columns, given: bool) -> Columns:
    """The rows of conditions, token by token."""
    codec: Any = shop.maker.sampler.codec
    frames = list(codec.frames(conditions))
    lines = [make_line(frame, given) for frame in frames]
    options = shop.maker.sampler.options
    u = np.random.default_rng(0).random((len(lines), codec.longest), dtype=np.float32)
    found = generate(
        net, lines, first_written=1 + given, longest=codec.longest, texts=2 - given,
        temperature=options.temperature, u=u, batch_size=options.batch_size,
    )  # fmt: skip
    columns = {side: conditions[side].copy() for side in ("source", "target")}
    for row, (tokens, frame, lead) in enumerate(zip(found, frames, conditions["lead"].tolist(), strict=True)):
        ends = [place + 1 for place, token in enumerate(tokens) if token == 2]
        starts = [0, *ends]
        for place, side in enumerate((1 - lead,) if given else (lead, 1 - lead)):
            part = tokens[starts[place] :] if place < len(starts) else []
            text = codec.vocabulary.decode(part, frame.values, side, codec.zeros[side]).strip()
            columns[("source", "target")[side]][row] = text
    return {**columns, "label": conditions["label"]}


def rate(call: Callable[[], object]) -> float:
    began = time.perf_counter()
    call()
    return ROWS / (time.perf_counter() - began)


def main() -> None:
    folder = Path(sys.argv[1])
    recipe = load(str(folder / "dataset" / "recipe.yaml"))
    with RunFolder(folder, recipe, False) as place:
        shop = pipeline.open_workshop(recipe, place, Silent())
    right, data, sampler = judge_exactly(shop.data), shop.data, shop.maker.sampler
    assert right is not None and recipe.train.seconds is not None
    net, steps = train(shop, recipe.train.seconds)

    def exact(rows: Columns) -> float:
        columns = zip(rows["label"].tolist(), rows["source"], rows["target"], strict=True)
        return float(np.mean([right(data.classes[label], source, target) for label, source, target in columns]))

    new = shop.maker.labels.draw(np.arange(ROWS))
    held = thin_rows({name: data.heldout[name] for name in ("source", "target", "label")}, ROWS)
    nothing = {"target": as_objects([None] * count_rows(held)), "lead": np.zeros(count_rows(held), np.int64)}
    by_batch = {}
    for batch in BATCHES:
        sampler.options = sampler.options.model_copy(update={"batch_size": batch})
        rates = [
            (rate(lambda: sampler.sample(new, np.arange(ROWS))), rate(lambda: write(shop, net, new, False)))
            for _ in range(ROUNDS)
        ]
        ratios = [ours / theirs for ours, theirs in rates]
        by_batch[batch] = {
            "rows_per_second": [theirs for _, theirs in rates], "our_rows_per_second": [ours for ours, _ in rates],
            "ratio": median(ratios), "sd": stdev(ratios),
        }  # fmt: skip
    usual = by_batch[recipe.sample.batch_size]
    print(json.dumps({
        "steps": steps, "parameters": sum(p.numel() for p in net.parameters()),
        "our_parameters": sum(p.numel() for p in sampler.net.parameters()),
        "given": exact(write(shop, net, {**held, **nothing}, True)), "new": exact(write(shop, net, new, False)),
        "our_given": exact(sampler.sample({**held, **nothing}, np.arange(count_rows(held)))),
        "our_new": exact(take_rows(sampler.sample(new, np.arange(ROWS)), slice(None))),
        "by_batch": by_batch, "speed": usual["ratio"], "speed_sd": usual["sd"],
    }))  # fmt: skip


if __name__ == "__main__":
    main()
