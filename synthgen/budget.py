"""Whether a recipe that starts from a pretrained image base fits into a machine, and what to change where it does not.

Bytes are counted from the base's small files (`networks.footprint`), stage by stage: what of it is in memory at once is
known here. Nothing is loaded, and nothing but those files is fetched.

    needs = estimate_needs(recipe)
    refuse_misfit(recipe, look(), data)     # a UserError: what is short, and the first change with which it fits
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from itertools import chain, combinations
from typing import Any

from .codecs.latents import PIXELS, fit_shape, how_adapted
from .errors import UserError
from .estimate import ACCEPTED, BF16, EFFICIENCY, Estimate, count_workers
from .hardware import GIB, Hardware, show_size
from .networks.bases import is_foreign
from .networks.footprint import Plan, plan_image_net
from .networks.image_base import open_image_base
from .networks.options import ImageBaseOptions
from .networks.unet import MaskedUNetOptions
from .recipe import Recipe
from .types import Data

AT_LOOKS = 64  # rows that are drawn at each look during the training
MIXED = 2 / 3  # bytes of activations under autocast to bfloat16 against float32: norms and sums stay in float32
SPARE = 1.1  # kernels' scratch memory, and gaps between what is freed
BESIDE = 0.7e9  # bytes that libraries keep
GPU_SHARE = 0.35  # of its matrix products' speed, in a whole net
CPU_SHARE = 0.7  # the same of processors
SQUARE = (1, 1)  # height and width of images that were not read yet


@dataclass(frozen=True)
class Needs:
    """What a recipe's model takes, in bytes on the device that computes; `gpu`: that is one, with its own memory;
    `workers`: threads that draw side by side."""

    plan: Plan
    recipe: Recipe
    gpu: bool
    workers: int

    @property
    def kind(self) -> str:
        return type(self.plan.net.base).__name__

    @property
    def parameters(self) -> int:
        return self.plan.parameters

    @property
    def trained(self) -> int:
        return self.plan.trained

    @property
    def fixed(self) -> int:
        """Whatever the batches: the text encoders at work, or the base as it is read and put into its net."""
        encoders, vae = 4 * self.plan.encoders, 4 * self.plan.autoencoder
        return vae + max(encoders, 0 if self.gpu else 8 * self.parameters)

    @cached_property
    def train(self) -> int:
        return self.train_with(self.recipe.train.batch_size)

    @cached_property
    def sample(self) -> int:
        return self.sample_with(self.recipe.sample.batch_size)

    @property
    def grown(self) -> int:
        """The most that is taken at any time."""
        return max(self.fixed, self.train, self.sample)

    @property
    def memory(self) -> int:
        """Of the machine, beside a GPU or without one."""
        # the base as it is read and put into its net; at looks and at the end its copy
        return max(4 * self.plan.encoders, 8 * self.parameters) if self.gpu else self.grown

    def train_with(self, batch: int) -> int:
        """With such batches. Beside the weights there are, of those trained, gradients, the optimiser's state, and
        two averages: the moving one and the best so far."""
        options, gradients = self.recipe.train, 4 * self.trained
        found = self.plan.train(batch, bool(getattr(options, "gradient_checkpointing", False))).bytes
        if options.accumulate > 1 or batch < options.batch_size:
            found += gradients  # of earlier batches, while this one's layers are kept
        if self.mixed:  # each weight has a copy in bfloat16 for the time of a step
            found = gradients + int((found - gradients) * MIXED) + 2 * self.parameters
        return self.state + max(found, 2 * gradients)

    def sample_with(self, batch: int) -> int:
        """With such batches, at looks beside the training's state or, on all cores, alone."""
        parameters, rows = self.parameters * self.drawn_with, batch * (2 if self.recipe.sample.guidance != 1 else 1)
        few = min(batch, AT_LOOKS)
        look = max(0 if self.gpu else 4 * self.parameters, parameters + self._draw(few * rows // batch, few))
        alone = max(0 if self.gpu else 8 * self.parameters, parameters + self._draw(rows, batch) * self.workers)
        return max(self.state + look, 4 * self.plan.autoencoder + alone)

    def _draw(self, rows: int, images: int) -> int:
        images = min(images, max(1, PIXELS // self.pixels))
        return max(self.plan.draw(rows).bytes * self.drawn_with // 4, self.plan.decode(images).bytes)

    @property
    def pixels(self) -> int:
        _, height, width = self.plan.net.row_shape
        return int(height * width * self.plan.net.config.factor**2)

    @property
    def state(self) -> int:
        """What the training keeps from step to step."""
        options = self.recipe.train
        lora = self.plan.net.config.lora is not None
        optimizer = {"adamw8bit": 2, "muon": 8 if lora else 4}.get(options.optimizer, 8)
        return 4 * (self.plan.autoencoder + self.parameters) + (optimizer + 8) * self.trained

    @property
    def mixed(self) -> bool:
        return _is_bf16(self.recipe.train.precision)

    @property
    def drawn_with(self) -> int:
        """Bytes of a weight where rows are drawn."""
        return 2 if _is_bf16(self.recipe.sample.precision) else 4


def estimate_needs(
    recipe: Recipe, machine: Hardware | None = None, image: tuple[int, int] = SQUARE, classes: int = 10
) -> Needs | None:
    """What a recipe takes for images of such a shape, height and width; None where it starts from no pretrained image
    base. Without a `machine`: with one thread and no GPU. A UserError for a base that cannot be read or is not one."""
    options = recipe.model
    if not isinstance(options, ImageBaseOptions) or options.base is None or not is_foreign(options, None):
        return None
    kind = "mask" if isinstance(options, MaskedUNetOptions) else "label"
    adapt, terms = how_adapted(options, kind)  # type: ignore[arg-type]
    plan = _plan(options.base, options.revision, image, options.size, classes, kind, adapt, json.dumps(terms))
    if machine is None:
        return Needs(plan, recipe, False, 1)
    return Needs(plan, recipe, bool(machine.gpus), count_workers(recipe, machine))


def see_images(data: Data) -> dict[str, Any]:
    """What of the rows a model's size depends on, as the functions here take it; nothing where rows are no images."""
    if "image" not in data.train:
        return {}
    return {"image": tuple(data.train["image"].shape[1:3]), "classes": len(data.classes)}


def refuse_misfit(recipe: Recipe, machine: Hardware, data: Data) -> None:
    """A UserError where the model does not fit: what is short, and what to set."""
    problem = find_misfit(recipe, machine, **see_images(data))
    if problem:
        raise UserError(problem)


def find_misfit(recipe: Recipe, machine: Hardware, image: tuple[int, int] = SQUARE, classes: int = 10) -> str:
    """The sentence of `refuse_misfit`; "" where all fits."""

    def ask(changed: Recipe) -> Needs:
        found = estimate_needs(changed, machine, image, classes)
        assert found is not None
        return found

    needs, room = estimate_needs(recipe, machine, image, classes), free_bytes(machine)
    if needs is None:
        return ""
    beside = _usable(machine.available_gib)
    if needs.gpu and needs.memory > beside:
        return _tell_hopeless(recipe, "loading", needs.memory, "memory", beside)
    short = {"training": needs.train, "sampling": needs.sample, "loading": needs.fixed}
    what = next((name for name, taken in short.items() if taken > room), None)
    where = "GPU memory" if machine.gpus else "memory"
    if what is None:
        return ""
    least = short[what]
    for changes in list_changes(recipe):
        changed = ask(change(recipe, changes))
        found = _fit_batches(changed, room)
        if found is not None:
            return _tell({**changes, **found}, what, short[what], where, room)
        least = min(least, max(changed.fixed, changed.train_with(1), changed.sample_with(1)))
    return _tell_hopeless(recipe, "fine-tuning", least, where, room)


def free_bytes(machine: Hardware) -> int:
    """What the model may take of the device that computes."""
    return _usable(machine.gpus[0].free_gib if machine.gpus else machine.available_gib)


def list_changes(recipe: Recipe) -> Iterator[dict[str, Any]]:
    """Settings that save memory, few before many; batches are left as they are."""
    options: Any = recipe.model
    single: list[dict[str, Any]] = []
    if getattr(recipe.train, "gradient_checkpointing", None) is False:
        single.append({"train.gradient_checkpointing": True})
    if options.adapt == "full":
        single.append({"model.adapt": "lora"})
    base = open_image_base(options.base, options.revision)
    half = (options.size or base.side * base.factor) // 2
    if base.kind != "DiTTransformer2DModel" and half >= 64 and half % (2 * base.factor) == 0:
        single.append({"model.size": half})
    for some in chain.from_iterable(combinations(single, count) for count in range(len(single) + 1)):
        yield {name: value for one in some for name, value in one.items()}


def change(recipe: Recipe, changes: Mapping[str, Any]) -> Recipe:
    """The recipe with some fields of its stages set."""
    found: dict[str, Any] = {}
    for name, value in changes.items():
        stage, _, field = name.partition(".")
        found[stage] = found.get(stage, getattr(recipe, stage)).model_copy(update={field: value})
    return recipe.model_copy(update=found)


def price(cost: Estimate, needs: Needs, machine: Hardware, speed: float, gpu_speed: float) -> Estimate:
    """The estimate of a recipe whose model `needs` so much, on cores of `speed` or a GPU of `gpu_speed` GFLOP/s."""
    options, sample = needs.recipe.train, needs.recipe.sample
    fast = BF16 if machine.bf16 and needs.mixed else 1.0
    power = (gpu_speed * GPU_SHARE if machine.gpus else machine.cores * speed * fast * CPU_SHARE) * 1e9
    saved = bool(getattr(options, "gradient_checkpointing", False))
    step = needs.plan.train(1, saved).flops * options.batch_size * options.accumulate / power
    bounds = [bound for bound in (options.seconds, options.steps and options.steps * step) if bound is not None]
    calls = sample.steps * (1 + (sample.solver == "heun")) * (1 + (sample.guidance != 1))
    row = (needs.plan.draw(1).flops * calls + needs.plan.decode(1).flops) / power
    return replace(
        cost,
        train=min(bounds, default=0.0),
        sample=needs.recipe.count / ACCEPTED * row / EFFICIENCY,
        memory=taken_in_all(needs.memory),
    )


def _fit_batches(needs: Needs, room: int) -> dict[str, Any] | None:
    """The batches that fit, as changes where they are smaller than asked for; None if none does."""
    if needs.fixed > room or needs.state > room:
        return None
    train, sample = needs.recipe.train, needs.recipe.sample
    rows = _largest(train.batch_size, needs.train_with, room)
    drawn = rows and _largest(sample.batch_size, needs.sample_with, room)
    if not rows or not drawn:
        return None
    found: dict[str, Any] = {}
    if rows < train.batch_size:
        accumulate = -(-train.batch_size * train.accumulate // rows)
        found |= {"train.batch_size": rows, "train.accumulate": accumulate}
    return found | ({"sample.batch_size": drawn} if drawn < sample.batch_size else {})


def _largest(own: int, takes: Callable[[int], int], room: int) -> int | None:
    """`own`, or its first half, quarter … that takes no more than `room`."""
    high = takes(own)
    if high <= room:
        return own
    low = takes(1)
    if low > room:
        return None
    batch = own // 2
    while batch > 1:
        likely = low + (high - low) * (batch - 1) / (own - 1)  # counting takes seconds for large nets
        if likely <= 1.1 * room and takes(batch) <= room:
            return batch
        batch //= 2
    return 1


def _tell(changes: Mapping[str, Any], what: str, taken: int, where: str, room: int) -> str:
    first = next(iter(changes))
    settings = " and ".join(f"{name}={json.dumps(value).strip(chr(34))}" for name, value in changes.items())
    return f"{first}: {what} needs about {_amount(taken)} of {where} but {_amount(room)} are free; set {settings}"


def _tell_hopeless(recipe: Recipe, what: str, least: int, where: str, room: int) -> str:
    base: Any = getattr(recipe.model, "base", None)
    return (
        f"model.base: {what} {base} needs about {_amount(least)} of {where} at the least, but {_amount(room)} are "
        "free; use a smaller base, or a machine that has so much"
    )


def taken_in_all(taken: int) -> int:
    """Bytes of a device where so much is taken by what is counted."""
    return int(taken * SPARE + BESIDE)


def _usable(gib: float) -> int:
    """The reverse, of what is free."""
    return int((gib * GIB - BESIDE) / SPARE)


def _amount(counted: int) -> str:
    return show_size(taken_in_all(counted))


def _is_bf16(precision: str) -> bool:
    from .diffusion.precision import bf16_is_fast

    return precision == "bf16" or (precision == "auto" and bf16_is_fast())


@lru_cache(maxsize=8)
def _plan(
    base: str, revision: str | None, image: tuple[int, int], size: int | None, classes: int, kind: Any, adapt: Any,
    terms: str,
) -> Plan:  # fmt: skip
    found, lora = open_image_base(base, revision), json.loads(terms)
    shape = fit_shape(found, *image, size)
    return plan_image_net(found, shape, classes=classes, condition=kind, adapt=adapt, lora=lora)
