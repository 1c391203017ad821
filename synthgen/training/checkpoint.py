"""Checkpoints from which an interrupted training goes on as if nothing had happened.

A checkpoint is accelerate's `save_state` in a sealed folder: weights as safetensors, optimisers, the moving average,
and where the training stands. Random numbers need no saving: they follow from the seed and the step.

    checkpoints = Checkpoints(folder, accelerator)
    step = checkpoints.restore()
"""

from __future__ import annotations

import shutil
from pathlib import Path

from accelerate import Accelerator

from ..storage import is_sound, remove_leftovers, sealed_folder

KEPT = 2  # the newest may be damaged; then the one before serves


class Checkpoints:
    """The checkpoints in one folder; whatever is to be saved is registered with the accelerator."""

    def __init__(self, folder: Path, accelerator: Accelerator) -> None:
        self.folder, self.accelerator = folder, accelerator
        folder.mkdir(parents=True, exist_ok=True)
        remove_leftovers(folder)

    def save(self, step: int) -> None:
        with sealed_folder(self.folder / f"step-{step:09d}") as temporary:
            self.accelerator.save_state(str(temporary), safe_serialization=True)
        for old in self._all()[:-KEPT]:
            shutil.rmtree(old)

    def restore(self) -> int:
        """Load the newest checkpoint that is whole and return its step; 0 where there is none.

        One that does not match its digests is deleted, never read.
        """
        for path in reversed(self._all()):
            if is_sound(path):
                self.accelerator.load_state(str(path))
                return int(path.name.removeprefix("step-"))
            shutil.rmtree(path)
        return 0

    def _all(self) -> list[Path]:
        return sorted(self.folder.glob("step-*"))
