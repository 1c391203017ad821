"""The training loop of a denoiser, under the loss of the process that the codec names.

It knows rows only through a codec, and sampling only through `look`, which it calls now and then.

    result = train(net, codec, data, options, seed=0, folder=Path("state/training"), augment=augment, look=look)
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from accelerate.utils import DistributedDataParallelKwargs
from torch import nn

from ..diffusion.noise import step_generator
from ..diffusion.precision import bf16_is_fast
from ..errors import UserError
from ..types import Codec, Columns, Condition, Data, count_rows, group_by_width, take_rows, thin_rows
from .checkpoint import Checkpoints
from .ema import Average, trained
from .encoded import EncodedRows
from .optimizer import build_optimizers, learning_rate_at
from .options import TrainOptions
from .processes import ALONE, Processes, noticing_loss

Augment = Callable[[torch.Tensor, Condition, tuple[str, ...], torch.Generator], tuple[torch.Tensor, Condition]]
Look = Callable[[nn.Module, int], float | None]  # (net with averaged weights, step) -> nearest-neighbour ratio

AS_IT_IS = "nothing of the base is trained"  # why a training ended that never began
LOOKS = (0.1, 0.25, 0.5, 0.75, 1.0)  # shares of the training at which samples are drawn
VALIDATION_ROWS = 64  # at five noise levels each; more took a third of a short training


@dataclass
class Progress:
    """Where a training stands; part of every checkpoint."""

    step: int = 0
    seconds: float = 0.0
    rows: int = 0
    history: list[dict[str, Any]] = field(default_factory=list)
    looks: int = 0
    best: float = math.inf  # validation loss
    best_step: int = 0
    since_best: int = 0
    stopped: str = ""  # why the training ended

    def state_dict(self) -> dict[str, Any]:
        return dict(vars(self))

    def load_state_dict(self, state: dict[str, Any]) -> None:
        vars(self).update(state)


def train(
    net: nn.Module, codec: Codec, data: Data, options: TrainOptions, *, seed: int, folder: Path, augment: Augment,
    look: Look, report: Callable[[float, str], None] = lambda share, text: None, processes: Processes = ALONE,
) -> Progress:  # fmt: skip
    """Train `net` in place; it ends with the averaged weights of the best validation loss.

    Goes on from the newest checkpoint in `folder`.
    A loss that is not finite ends the training with the last good checkpoint's weights; `stopped` then says so.

    Several `processes` that call this with the same data and options make the steps of one with batches so many times
    as large. Only process 0 looks, reports and writes.

    A net of frozen weights alone stays as it is.
    """
    if not trained(net):
        return Progress(stopped=AS_IT_IS)
    with noticing_loss():
        return Training(net, codec, data, options, seed, folder, augment, look, report, processes).run()


class Training:
    """The state of one training; `run` is the loop."""

    def __init__(
        self, net: nn.Module, codec: Codec, data: Data, options: TrainOptions, seed: int, folder: Path,
        augment: Augment, look: Look, report: Callable[[float, str], None], processes: Processes,
    ) -> None:  # fmt: skip
        self.codec, self.data, self.options, self.seed = codec, data, options, seed
        self.augment, self.look, self.report, self.processes = augment, look, report, processes
        self.rows = EncodedRows(codec, data.train, folder, processes, lambda text: report(0.0, text))
        self.batch_size = options.batch_size * processes.count  # rows of all processes
        precision = options.precision if options.precision != "auto" else "bf16" if bf16_is_fast() else "fp32"
        # accelerate keeps the first precision of a process for good; a second training may want another
        AcceleratorState._reset_state()
        sharing = DistributedDataParallelKwargs()
        self.accelerator = Accelerator(
            mixed_precision="bf16" if precision == "bf16" else "no", gradient_accumulation_steps=options.accumulate,
            kwargs_handlers=[sharing],
        )  # fmt: skip
        if options.gradient_checkpointing:
            save_memory(net)
        self.net = net.to(self.accelerator.device)
        sharing.find_unused_parameters = processes.count > 1 and self.leaves_some_out()
        self.net = self.accelerator.prepare_model(net)
        self.optimizers = [self.accelerator.prepare_optimizer(o) for o in build_optimizers(net, options)]
        self.average, self.progress = Average(net, options.ema), Progress()
        self.best_average = Average(net, 0)
        self.accelerator.register_for_checkpointing(self.average, self.best_average, self.progress)
        self.checkpoints = Checkpoints(folder, self.accelerator, processes)

    @property
    def inner(self) -> nn.Module:
        return self.accelerator.unwrap_model(self.net)

    def leaves_some_out(self) -> bool:
        """Whether a step has no use for some parameters: without augmentation, say, for what tells of it."""
        found = False
        if self.processes.leads:
            with self.accelerator.autocast():
                loss = self.loss(0)
            all_of_them = [p for p in self.net.parameters() if p.requires_grad]
            found = any(gradient is None for gradient in torch.autograd.grad(loss, all_of_them, allow_unused=True))
        return bool(self.processes.tell(found)[0])

    def run(self) -> Progress:
        self.checkpoints.restore()
        progress, began = self.progress, time.monotonic() - self.progress.seconds
        saved_at = time.monotonic()
        losses: list[torch.Tensor] = []
        while not progress.stopped:
            share = self.share_done()
            losses.append(self.step(share))
            progress.step += 1
            progress.rows += self.batch_size * self.options.accumulate
            (progress.seconds,) = self.processes.tell(time.monotonic() - began)
            if self.validation_is_due(share, self.share_done()):
                if not self.validate(losses):
                    return self.fall_back()
                losses = []
            if time.monotonic() - saved_at > self.options.checkpoint_seconds and self.is_finite(losses):
                self.checkpoints.save(progress.step)
                saved_at = time.monotonic()
        self.checkpoints.save(progress.step)
        self.rows.forget()
        self.best_average.swap(self.inner)
        return progress

    def share_done(self) -> float:
        by_steps = self.progress.step / self.options.steps if self.options.steps else 0.0
        by_time = self.progress.seconds / self.options.seconds if self.options.seconds else 0.0
        return min(1.0, max(by_steps, by_time))

    def step(self, share: float) -> torch.Tensor:
        """One optimiser step; returns the loss without waiting for it."""
        options, total = self.options, torch.zeros(())
        rate = options.learning_rate * learning_rate_at(share, options)
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = rate
        for part in range(options.accumulate):
            with self.accelerator.accumulate(self.net):
                loss = self.loss(self.progress.step * options.accumulate + part)
                self.accelerator.backward(loss)
                if self.accelerator.sync_gradients:
                    self.accelerator.clip_grad_norm_(self.net.parameters(), options.clip)
                for optimizer in self.optimizers:
                    optimizer.step()
                    optimizer.zero_grad()
            total = total + loss.detach().cpu() / options.accumulate
        self.average.update(self.inner)
        return total

    def loss(self, batch: int) -> torch.Tensor:
        """Mean denoising loss of batch number `batch`."""
        generator, device = step_generator(self.seed, batch, "train"), self.accelerator.device
        x, condition = self.rows.take(self.rows.batch(batch, self.batch_size, self.seed))
        x, condition = self.augment(x, condition, self.options.augment, generator)
        process = self.codec.process
        drawn = process.draw(x, condition, self.options, generator)
        keep = torch.rand(len(x), generator=generator) >= self.options.drop
        own = self.processes.part(len(x))  # all draw for all, so that their number changes nothing
        condition = {name: value[own].to(device) for name, value in condition.items()}
        moved = tuple(values[own].to(device) for values in drawn)
        return process.loss(self.net, x[own].to(device), condition, keep[own].to(device), moved).mean()

    def validation_is_due(self, before: float, after: float) -> bool:
        every = self.options.validate_every
        return math.floor(before / every) < math.floor(after / every) or after >= 1

    def validate(self, losses: list[torch.Tensor]) -> bool:
        """Write a line of history, draw samples if it is time, decide whether to end. False: the loss is not finite."""
        progress, options, share = self.progress, self.options, self.share_done()
        train_loss = self.processes.mean(float(torch.stack(losses).mean()))
        if not math.isfinite(train_loss):
            return False
        validation_loss, ratio = self.examine(share)
        progress.history.append({
            "step": progress.step, "seconds": round(progress.seconds, 2), "train_loss": train_loss,
            "validation_loss": validation_loss, "nearest_ratio": ratio,
        })  # fmt: skip
        if self.processes.leads:
            self.report(share, f"step {progress.step}, loss {train_loss:.4f}, validation {validation_loss:.4f}")
        progress.stopped = self.reason_to_stop(validation_loss, ratio) or ("finished" if share >= 1 else "")
        if validation_loss < progress.best:
            progress.best, progress.best_step, progress.since_best = validation_loss, progress.step, 0
            self.best_average.load_state_dict(self.average.state_dict())
        else:
            progress.since_best += 1
        if options.early_stop.patience and progress.since_best >= options.early_stop.patience and share < 1:
            progress.stopped = progress.stopped or "the validation loss rose"
        return math.isfinite(validation_loss)

    def examine(self, share: float) -> tuple[float, float | None]:
        """(validation loss, nearest-neighbour ratio or None) of the averaged weights, by process 0."""
        progress, found, ratio = self.progress, math.nan, None
        due = progress.looks < len(LOOKS) and share >= LOOKS[progress.looks] - 1e-9
        if self.processes.leads:
            self.average.swap(self.inner)
            found = self.validation_loss()
            if due and math.isfinite(found):
                ratio = self.look(self.inner, progress.step)
            self.average.swap(self.inner)
        found, told = self.processes.tell(found, math.nan if ratio is None else ratio)
        if due and math.isfinite(found):
            progress.looks = sum(share >= at - 1e-9 for at in LOOKS)
        return found, None if math.isnan(told) else told

    def reason_to_stop(self, validation_loss: float, ratio: float | None) -> str:
        bound = self.options.early_stop.nearest_ratio
        if ratio is not None and bound is not None and ratio < bound:
            return f"nearest-neighbour ratio {ratio:.2f} fell below {bound}"
        return ""

    @torch.no_grad()
    def validation_loss(self) -> float:
        """The denoising loss of validation rows, with the same noise each time."""
        rows, together = thin_rows(self.data.validation, VALIDATION_ROWS), min(64, self.options.batch_size)
        losses = denoising_losses(self.inner, self.codec, rows, self.seed, self.accelerator.device, together)
        return float(losses.mean())

    def is_finite(self, losses: list[torch.Tensor]) -> bool:
        """Whether a checkpoint would be a good one; the last step may have spoilt the weights after a finite loss."""
        return all(bool(torch.isfinite(tensor).all()) for tensor in [*losses, *trained(self.inner)])

    def fall_back(self) -> Progress:
        """End with the last good checkpoint: the loss is not finite any more."""
        failed_at = self.progress.step
        step = self.checkpoints.restore()
        self.progress.stopped = (
            f"the loss was not finite at step {failed_at}; the weights of step {self.progress.best_step or step} are "
            f"used (a lower train.learning_rate than {self.options.learning_rate:g} may help)"
        )
        (self.best_average if self.progress.best_step else self.average).swap(self.inner)
        return self.progress


def save_memory(net: nn.Module) -> None:
    """Layers are computed again in the backward pass. A UserError for a net that cannot do that."""
    try:
        net.enable_gradient_checkpointing()  # type: ignore[operator]
    except (AttributeError, ValueError):
        raise UserError(
            "train.gradient_checkpointing: this model keeps all its layers; set it to false, and train.batch_size "
            "lower where memory is short"
        ) from None


@torch.no_grad()
def denoising_losses(
    net: nn.Module, codec: Codec, rows: Columns, seed: int, device: torch.device | str = "cpu", batch_size: int = 64
) -> torch.Tensor:
    """Denoising loss of each row, (N,), at noise levels 0.1 … 0.9 with noise that belongs to the row's place."""
    total, process, rows = count_rows(rows), codec.process, codec.lay_out(rows)
    found = torch.empty(total)
    for group in group_by_width(codec.widths(rows), total):
        for start in range(0, len(group), batch_size):
            index = group[start : start + batch_size]
            part = take_rows(rows, index)
            x, condition = codec.encode(part).to(device), codec.condition(part)
            condition = {name: value.to(device) for name, value in condition.items()}
            drawn = process.probe(x, condition, seed, index.tolist())
            levels = [process.loss(net, x, condition, None, one) for one in drawn]
            found[torch.from_numpy(index)] = torch.stack(levels).mean(0).float().cpu()
    return found
