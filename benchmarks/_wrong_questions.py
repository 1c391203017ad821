"""What a reader learns from real questions whose territory was exchanged, and from a twentieth of the real ones.

python benchmarks/_wrong_questions.py RUN        # a line of JSON at the end
"""

from __future__ import annotations

import json
import sys
from glob import glob
from pathlib import Path
from statistics import fmean, stdev

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from synthgen.evaluation.question_learners import QuestionLearner
from synthgen.recipe import load
from synthgen.sources.text.facts import territory_names
from synthgen.sources.text.territories import read_question
from synthgen.tasks.qa import TASK
from synthgen.types import Columns, as_objects, count_rows, join_rows, take_rows, thin_rows

SEEDS, FEW = 3, 20


def exchange(rows: Columns) -> Columns:
    """Each question with the name of another territory of its passage in place of its own, where there is one."""
    names, questions = territory_names(), []
    for question, context in zip(rows["question"], rows["context"], strict=True):
        asked = read_question(question)
        own = names[asked[0]] if asked else ""
        others = [name for name in names.values() if name in context and name not in own and own not in name]
        questions.append(question.replace(own, others[0]) if own and others else question)
    return {**rows, "question": as_objects(questions)}


def main() -> None:
    folder = Path(sys.argv[1])
    recipe = load(str(folder / "dataset" / "recipe.yaml"))
    data = TASK.load(recipe.source, recipe.seed)
    tables = [pq.read_table(path) for path in sorted(glob(str(folder / "dataset" / "data" / "*.parquet")))]
    made = TASK.decode(pa.concat_tables(tables).drop_columns(["provenance"]).to_pydict(), data)
    learner = QuestionLearner(data)
    steps, size = recipe.evaluate.steps or learner.default_steps, learner.default_batch_size

    def score(train: Columns, seed: int) -> float:
        return learner.measure(train, data.heldout, steps=steps, batch_size=size, seed=seed, augment=False).value

    few = thin_rows(data.train, count_rows(data.train) // FEW)
    shared = {name: made[name] for name in few}
    both = join_rows(take_rows(few, np.resize(np.arange(count_rows(few)), count_rows(made))), shared)
    gains = [score(both, seed) - score(few, seed) for seed in range(SEEDS)]
    print(json.dumps({"f1": score(exchange(data.train), 0), "few": [fmean(gains), stdev(gains)], "gains": gains}))


if __name__ == "__main__":
    main()
