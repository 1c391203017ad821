"""Checkpoints from which an interrupted training goes on as if nothing had happened.

A checkpoint is accelerate's `save_state` in a sealed folder: the trained weights as safetensors, optimisers, the moving
average, and where the training stands. Frozen weights are those that the training began with, and random numbers follow
from the seed and the step: neither needs saving.

Of several processes the first saves and all restore, so their machines must see the same folder. A training may go on
with another number of processes; its batches then have another size.

    checkpoints = Checkpoints(folder, accelerator, processes)
    step = checkpoints.restore()
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from accelerate import Accelerator
from safetensors.torch import load_file, save_file
from torch import nn

from ..errors import UserError
from ..storage import is_sound, remove_leftovers, sealed_folder
from .processes import ALONE, Processes

TRAINED = "trained.safetensors"
KEPT = 2  # the newest may be damaged; then the one before serves


class Checkpoints:
    """The checkpoints in one folder; whatever is to be saved is registered with the accelerator."""

    def __init__(self, folder: Path, accelerator: Accelerator, processes: Processes = ALONE) -> None:
        self.folder, self.accelerator, self.processes = folder, accelerator, processes
        accelerator.register_save_state_pre_hook(self._save_trained)
        accelerator.register_load_state_pre_hook(self._load_trained)
        if processes.leads:
            folder.mkdir(parents=True, exist_ok=True)
            remove_leftovers(folder)

    def save(self, step: int) -> None:
        if not self.processes.leads:
            return
        with sealed_folder(self._path(step)) as temporary:
            self.accelerator.save_state(str(temporary), safe_serialization=True)
        for old in self._all()[:-KEPT]:
            shutil.rmtree(old)

    def restore(self) -> int:
        """Load the newest checkpoint that is whole and return its step; 0 where there is none.

        One that does not match its digests is deleted, never read.
        """
        step = int(self.processes.tell(self._newest() if self.processes.leads else 0)[0])
        path = self._path(step)
        if step and not path.is_dir():
            raise UserError(f"--out: process {self.processes.index} does not see {str(path)!r}; use a shared folder")
        if step:
            self.accelerator.load_state(str(path))
        return step

    def _save_trained(self, models: list[nn.Module], weights: list[Any], folder: str) -> None:
        (model,) = models
        weights.clear()  # accelerate would save the frozen ones as well
        save_file({name: p.detach().contiguous() for name, p in self._trained(model)}, Path(folder) / TRAINED)

    def _load_trained(self, models: list[nn.Module], folder: str) -> None:
        saved = load_file(Path(folder) / TRAINED)
        for name, parameter in self._trained(models.pop()):
            parameter.data.copy_(saved[name])

    def _trained(self, model: nn.Module) -> list[tuple[str, nn.Parameter]]:
        return [(n, p) for n, p in self.accelerator.unwrap_model(model).named_parameters() if p.requires_grad]

    def _newest(self) -> int:
        for path in reversed(self._all()):
            if (path / TRAINED).is_file() and is_sound(path):
                return int(path.name.removeprefix("step-"))
            shutil.rmtree(path)
        return 0

    def _path(self, step: int) -> Path:
        return self.folder / f"step-{step:09d}"

    def _all(self) -> list[Path]:
        return sorted(self.folder.glob("step-*"))
