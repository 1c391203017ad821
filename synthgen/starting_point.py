"""Where a training begins: at a net of random weights, or at the model of an earlier run of any task.

What the two nets share in meaning is taken over (`networks.adoption`), the rest is new. A base that is another
library's is read by the task's own network.

    base = open_base(recipe, place)                 # early: what cannot be is refused before anything is trained
    net, facts = build_network(recipe, task, data, codec)
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from .diffusion.objective import FineTuning
from .errors import UserError
from .networks.adoption import WRAPPED, Adopted, adopt, plain_state
from .networks.bases import OwnBase, find_own, refuse_other, take_shape
from .networks.lora import MATRICES, add_lora, require_peft
from .networks.options import BaseOptions
from .recipe import Recipe
from .run_folder import RunFolder
from .sampling.loading import load_denoiser
from .task import Task
from .types import Codec, Data


def open_base(recipe: Recipe, place: RunFolder) -> OwnBase | None:
    """Refuse a base that cannot be, and know the weights of an earlier run's model by their digest from now on. None
    where the base is no earlier run's."""
    base = check_base(recipe)
    if base is not None:
        fix = f"put back the weights {base.name} had, or use --fresh to start over"
        place.expect("base", base.sha256, fix, "model.base")
    return base


def check_base(recipe: Recipe) -> OwnBase | None:
    """The earlier run's model that a run starts from, if it does. UserErrors for all that can be told from headers."""
    options = recipe.model
    base = find_own(options) if isinstance(options, BaseOptions) else None
    if base is None:
        return None
    assert isinstance(options, BaseOptions)
    refuse_other(options, recipe.task, base)
    take_shape(options, base)
    if options.adapt == "lora":
        require_peft()
    return base


def build_network(recipe: Recipe, task: Task, data: Data, codec: Codec) -> tuple[Any, dict[str, Any] | None]:
    """The denoiser before its training, and what it has from an earlier run's model, if it starts from one."""
    options = recipe.model
    base = find_own(options) if isinstance(options, BaseOptions) else None
    with torch.random.fork_rng():
        torch.manual_seed(recipe.seed)
        if base is None:
            _refuse_changed(recipe, codec)
            return task.network(data, codec, options), _tell_foreign(options)
        assert isinstance(options, BaseOptions)
        net = task.network(data, codec, take_shape(options, base))
        adopted = _adopt(net, base, task.axes(data, codec))
        _choose_trained(net, options, adopted)
    adapt = options.adapt or "full"
    told = f"started from {base.name} ({base.sha256[:12]}): {adopted}; trained: {adapt}"
    return net, {"name": base.name, "sha256": base.sha256, "adapt": adapt, "told": told, **vars(adopted)}


def _refuse_changed(recipe: Recipe, codec: Codec) -> None:
    if recipe.train.augment and isinstance(codec.process, FineTuning):
        raise UserError(
            "train.augment: a pretrained base cannot be told how a row was changed, and would draw changed ones; leave "
            "it out, or train from scratch"
        )


def _tell_foreign(options: Any) -> dict[str, Any] | None:
    """What card and log say of a pretrained base."""
    if not isinstance(options, BaseOptions) or options.base is None:
        return None
    at = f" at {options.revision}" if options.revision else ""
    return {"name": options.base, "revision": options.revision, "told": f"starts from {options.base}{at}"}


def _adopt(net: Any, base: OwnBase, axes: Any) -> Adopted:
    old: Any = load_denoiser(base.folder)
    for name in net.same:
        if net.config[name] != old.config[name]:
            raise UserError(
                f"model.base: {base.name} is told {old.config[name]!r} as its {name}, and these rows have "
                f"{net.config[name]!r}; name a model of the same kind of rows, or write null"
            )
    return adopt(net, plain_state(old), net.meanings(axes), old.meanings(base.axes))


def _choose_trained(net: Any, options: BaseOptions, adopted: Adopted) -> None:
    """Freeze what `options.adapt` does not train."""
    changed = {*adopted.resized, *adopted.new}
    if options.adapt == "heads" and not changed:
        raise UserError("model.adapt: heads would train nothing, since nothing of the net is new; use full or lora")
    if options.adapt == "lora":
        targets = options.targets or net.lora_targets
        alpha = float(options.alpha or options.rank)
        add_lora(net, options.rank, alpha, tuple(targets))
        defaults = [name for name in net.config.get("_use_default_values", ()) if name != "lora"]
        lora = {"rank": options.rank, "alpha": alpha, "targets": list(targets)}
        # diffusers builds a net from its configuration without the values that it lists as defaults
        net.register_to_config(lora=lora, _use_default_values=defaults)
    if options.adapt in ("heads", "lora"):
        _train_only(net, changed)


def _train_only(net: nn.Module, changed: set[str]) -> None:
    for name, parameter in net.named_parameters():
        parameter.requires_grad_(MATRICES in name or name.replace(WRAPPED, "") in changed)
