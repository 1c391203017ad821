"""Image segmentation: an image, a mask with one value a class, and the objects in it.

The mask comes first and the image is drawn to it, so the annotation is right by construction.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import datasets
import numpy as np

from ..codecs.appearance import measure_appearance
from ..codecs.images import ImageCodec, augment_images, fit_mask_codec
from ..codecs.latents import LatentCodec, build_image_network, examine_images, open_latents
from ..evaluation.learners import ImageSegmenterLearner
from ..evaluation.pictures import PAPER, UNKNOWN, class_colours, overlay_mask
from ..export.coco import write_coco
from ..export.options import Facts
from ..export.parquet import decode_png, encode_png
from ..judges.segmenter import fit_segmenter_judge
from ..labels.appearances import MasksWithAppearance
from ..labels.masks import build_masks
from ..labels.objects import annotate_masks
from ..labels.options import MaskConditionOptions
from ..networks.bases import is_foreign
from ..networks.pretrained_image import PretrainedImageDenoiser
from ..networks.unet import MaskedUNetOptions, SmallUNet, build_unet
from ..sources import ImageSourceOptions, describe_source, load_masked_images
from ..task import Task
from ..types import Columns, Data, LabelGenerator, thin_rows

LABEL_PIXELS = 1 << 24  # 4,096 masks of 64 × 64


def build_codec(data: Data, options: MaskedUNetOptions, folder: Path | None) -> ImageCodec | LatentCodec:
    if is_foreign(options, folder):
        return open_latents(data.train["image"], "mask", options, folder)
    return fit_mask_codec(data.train, len(data.classes), options.appearance)


def build_labels(data: Data, options: MaskConditionOptions, seed: int, folder: Path | None) -> LabelGenerator:
    """Masks as the options say, each with an appearance of the real rows: of evenly spaced ones if there are many."""
    masks = data.train["mask"]
    train = thin_rows(data.train, max(1, LABEL_PIXELS // int(np.prod(masks.shape[1:]))))
    appearance = measure_appearance(train["image"], train["mask"], len(data.classes))
    generator = build_masks(replace(data, train=train), options, seed, folder)
    return MasksWithAppearance.fit(generator, appearance, train["mask"], seed)


def build_network(data: Data, codec: Any, options: MaskedUNetOptions) -> SmallUNet | PretrainedImageDenoiser:
    if isinstance(codec, LatentCodec):
        return build_image_network(codec, data.classes, options)
    return build_unet(codec.shape, len(data.classes), "mask", options, codec.told)


def describe_features(data: Data) -> datasets.Features:
    entry = {
        "class": datasets.ClassLabel(names=list(data.classes)),
        "box": datasets.Sequence(datasets.Value("int32"), length=4),
        "area": datasets.Value("int32"),
    }
    return datasets.Features({"image": datasets.Image(), "mask": datasets.Image(mode="L"), "objects": [entry]})


def encode_rows(columns: Columns, data: Data) -> dict[str, list[Any]]:
    return {
        "image": [encode_png(image) for image in columns["image"]],
        "mask": [encode_png(mask) for mask in columns["mask"]],
        "objects": columns["objects"].tolist(),
    }


def decode_rows(rows: dict[str, list[Any]], data: Data) -> Columns:
    images = np.stack([decode_png(image) for image in rows["image"]])
    masks = np.stack([decode_png(mask) for mask in rows["mask"]])
    return {"image": images if images.ndim == 4 else images[..., None], "mask": masks}


def write_coco_folder(
    folder: Path, batches: Iterator[dict[str, list[Any]]], data: Data, options: MaskConditionOptions, facts: Facts
) -> list[Any]:
    rows = (
        {"image": image["bytes"], "mask": mask["bytes"]}
        for batch in batches
        for image, mask in zip(batch["image"], batch["mask"], strict=True)
    )
    info = {"description": f"synthetic dataset {facts.recipe}, made with synthgen"}
    write_coco(
        folder / "coco", rows, data.classes, split=facts.split, ignore=data.ignore, info=info, license=facts.license
    )
    return []


def find_classes(columns: Columns, data: Data) -> np.ndarray:
    """bool (N, K): the classes that have a pixel in each row."""
    flat = columns["mask"].reshape(len(columns["mask"]), -1)
    return np.stack([(flat == value).any(1) for value in range(len(data.classes))], 1)


def annotate_rows(columns: Columns, data: Data) -> Columns:
    """Adds `objects`: the connected regions of each mask, with class, box [x, y, width, height] and area in pixels."""
    return {**columns, "objects": annotate_masks(columns["mask"], len(data.classes))}


def draw_rows(columns: Columns, data: Data) -> list[Any]:
    colours = [None, *class_colours(len(data.classes) - 1)]
    return [overlay_mask(image, mask, colours) for image, mask in zip(columns["image"], columns["mask"], strict=True)]


def name_colours(data: Data) -> list[tuple[str, tuple[int, int, int]]]:
    """Class 0 has no tint: its swatch is white. Ignored pixels are grey."""
    colours = list(zip(data.classes, [PAPER, *class_colours(len(data.classes) - 1)], strict=True))
    return [*colours, ("not annotated", UNKNOWN)] if data.ignore is not None else colours


TASK = Task(
    name="segmentation",
    summary="an image, its mask and the objects in it",
    extra="images",
    requires=("skimage", "scipy", "pycocotools"),
    builtins={"tissue": "stained tissue, 64×64 crops of scikit-image's immunohistochemistry photograph"},
    source_options=ImageSourceOptions,
    model_options=MaskedUNetOptions,
    condition_options=MaskConditionOptions,
    hub_tags={"task_categories": ["image-segmentation"], "task_ids": ["semantic-segmentation"]},
    describe=lambda options: describe_source(options, "mask"),
    load=load_masked_images,
    examine=examine_images,
    codec=build_codec,
    network=build_network,
    mixes=(),
    augment=augment_images,
    labels=build_labels,
    annotate=annotate_rows,
    fit_judge=fit_segmenter_judge,
    learner=ImageSegmenterLearner,
    features=describe_features,
    encode=encode_rows,
    decode=decode_rows,
    draw=draw_rows,
    legend=name_colours,
    classes_of=find_classes,
    formats={"coco": write_coco_folder},
    augmentations=("flip", "turn", "shift", "warp"),
)
