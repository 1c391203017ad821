"""The processes that train one model together, each on rows and on a device of its own.

Process 0 leads: it alone holds the run's folder, writes, looks at samples and reports, and whatever depends on a clock,
a disk or a sample is decided there and told to the others. `accelerate launch`, torchrun and Ray Train start them and
say in the environment which is which. Knows nothing of rows or losses.

    with join() as processes:
        if processes.invite(needed):
            (seconds,) = processes.tell(time.monotonic() - began)
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist

from ..errors import UserError

# A process that ends is noticed at once, since its connections close; these are for one that hangs or a lost machine.
EXCHANGE = timedelta(minutes=10)  # that an exchange of gradients may take
PATIENCE = timedelta(minutes=20)  # that process 0 may be busy with a look or with the labels while the others wait
LOST = ("onnection closed", "onnection reset", "onnection refused", "roken pipe", "imed out", "eer closed")


class PartnerLost(UserError):
    """Another process has gone; its own error is the cause."""


class Processes:
    """Those of one training; by itself: this process alone."""

    def __init__(self, index: int = 0, count: int = 1, words: Any = None) -> None:
        self.index, self.count, self.words = index, count, words  # words: a group for what is told, beside gradients
        self.invited = False

    @property
    def leads(self) -> bool:
        return self.index == 0

    def tell(self, *values: float) -> list[float]:
        """What process 0 says, once it says it; what the others say in the same place does not count."""
        if self.count == 1:
            return list(values)
        told = torch.tensor(values, dtype=torch.float64)
        with noticing_loss():
            dist.broadcast(told, 0, group=self.words)
        return told.tolist()

    def mean(self, value: float) -> float:
        """The mean of what all say."""
        if self.count == 1:
            return value
        total = torch.tensor(value, dtype=torch.float64)
        with noticing_loss():
            dist.all_reduce(total, group=self.words)
        return float(total) / self.count

    def part(self, rows: int) -> slice:
        """This process's rows of a batch that all draw, of which each gets as many."""
        size = rows // self.count
        return slice(self.index * size, (self.index + 1) * size)

    def invite(self, needed: bool) -> bool:
        """Whether there is a training: process 0 knows, and the others open the source only then."""
        if self.count == 1:
            return needed
        self.invited = True
        return bool(self.tell(needed)[0])

    def leave(self) -> None:
        """After the training, or instead of it: nothing is told from here on."""
        if self.count == 1:
            return
        if not self.invited:
            self.invite(False)
        self.count = 1
        dist.destroy_process_group()


ALONE = Processes()


@contextmanager
def join() -> Iterator[Processes]:
    """The processes that this one was started with. Where process 0 fails before it invited the others, they leave."""
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        yield Processes()
        return
    processes = connect()
    try:
        yield processes
        processes.leave()
    except BaseException:
        if processes.leads and not processes.invited:
            processes.invite(False)
        raise


def connect() -> Processes:
    """Over NCCL where there are GPUs, else over gloo."""
    from accelerate import PartialState

    # of gradients of 1×1 kernels, whose layout is the same under either name
    warnings.filterwarnings("ignore", "Grad strides do not match bucket view strides")
    state = PartialState(cpu=not torch.accelerator.is_available(), timeout=EXCHANGE)
    words = dist.new_group(backend="gloo", timeout=PATIENCE)
    return Processes(state.process_index, state.num_processes, words)


@contextmanager
def noticing_loss() -> Iterator[None]:
    """Raises PartnerLost where another process of the training has gone."""
    try:
        yield
    except RuntimeError as error:
        if not isinstance(error, dist.DistError) and not any(word in str(error) for word in LOST):
            raise
        raise PartnerLost(
            "another process of this training has ended or hangs; its own message tells why, and the same command goes "
            "on from the last checkpoint"
        ) from error
