"""Ray Train: workers of a cluster that train together, in place of processes that a launcher starts. Nothing else here
imports ray.

Each worker has a GPU, or a core where the cluster has no GPUs, and calls a function that `join`s the others
(`training.processes`). Knows neither recipes nor nets.

    run_workers(train_along, run, count=2, storage=folder / "ray", tell=lambda: None)
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from ..errors import UserError
from .processes import EXCHANGE, PartnerLost

TRIES = 4  # of a training whose workers died; each goes on from the last checkpoint
EVERY = 1.0  # seconds between two calls of `tell`


def run_workers(
    work: Callable[[Any], None], what: Any, count: int, *, storage: Path, tell: Callable[[], None]
) -> None:  # fmt: skip
    """`work(what)` in `count` workers of the cluster that this process has joined, which it then leaves.

    `storage`, a folder that all machines see, holds Ray's own notes meanwhile; `tell` is called now and then. A
    UserError of a worker is raised here; where workers die, the work is begun anew.
    """
    import ray

    pool = ThreadPoolExecutor(1, "ray-train")  # in the main thread Ray would take Ctrl-C for itself
    try:
        gpus = _count_gpus(count)
        for tried in range(1, TRIES + 1):
            future = pool.submit(_fit, work, what, count, gpus, storage)
            while not future.done():
                try:
                    future.exception(timeout=EVERY)
                except TimeoutError:
                    pass
                tell()
            if (error := future.exception()) is None:
                return
            _raise_mistake(error, tried)
    finally:
        pool.shutdown(wait=False)
        ray.shutdown()
        shutil.rmtree(storage, ignore_errors=True)


def _count_gpus(count: int) -> bool:
    """Whether workers get a GPU each; a UserError where there are too few of them, since Ray would wait for ever."""
    import ray

    there = ray.cluster_resources()
    kind, unit = ("GPU", "GPUs") if there.get("GPU", 0) >= 1 else ("CPU", "cores")
    if there.get(kind, 0) < count:
        raise UserError(f"--train-workers: {count} are more than the cluster's {int(there.get(kind, 0))} {unit}")
    return kind == "GPU"


def _fit(work: Callable[[Any], None], what: Any, count: int, gpus: bool, storage: Path) -> None:
    os.environ["RAY_CHDIR_TO_TRIAL_DIR"] = "0"  # paths of a recipe may be relative
    from ray.train import FailureConfig, RunConfig, ScalingConfig
    from ray.train.torch import TorchConfig, TorchTrainer

    def work_along() -> None:
        work(what)

    TorchTrainer(
        work_along,
        torch_config=TorchConfig(backend="nccl" if gpus else "gloo", timeout_s=int(EXCHANGE.total_seconds())),
        scaling_config=ScalingConfig(num_workers=count, use_gpu=gpus),
        run_config=RunConfig(
            name="training", storage_path=str(storage.absolute()), failure_config=FailureConfig(max_failures=0)
        ),
    ).fit()


def _raise_mistake(error: BaseException, tried: int) -> None:
    """Raise what another try would meet again; return where workers died."""
    from ray.train import WorkerGroupError

    if not isinstance(error, WorkerGroupError):
        raise error
    for failure in error.worker_failures.values():
        deadly = isinstance(failure, PartnerLost) or type(failure).__module__.startswith("ray.")
        if not deadly:  # the work itself raised it
            raise failure from None
    if tried == TRIES:
        raise UserError(
            f"--train-workers: workers died {TRIES} times; look at their memory and at Ray's logs, or use fewer"
        ) from None
