"""Image classification: an image and its class. The class comes first, so the label is right by construction."""

from pathlib import Path
from typing import Any

import datasets
import numpy as np
from PIL import Image

from ..codecs.images import ImageCodec, augment_images, fit_label_codec
from ..codecs.latents import LatentCodec, build_image_network, examine_images, open_latents
from ..evaluation.learners import ImageClassifierLearner
from ..export.parquet import decode_png, encode_png
from ..judges.classifier import fit_classifier_judge
from ..labels.class_mix import build_class_mix, label_classes
from ..labels.options import ClassConditionOptions
from ..networks.bases import is_foreign
from ..networks.pretrained_image import PretrainedImageDenoiser
from ..networks.unet import SmallUNet, UNetOptions, build_unet
from ..sources import ImageSourceOptions, describe_source, load_labelled_images
from ..task import Task
from ..types import Columns, Data


def build_codec(data: Data, options: UNetOptions, folder: Path | None) -> ImageCodec | LatentCodec:
    if is_foreign(options, folder):
        return open_latents(data.train["image"], "label", options, folder)
    return fit_label_codec(data.train, len(data.classes))


def build_network(data: Data, codec: Any, options: UNetOptions) -> SmallUNet | PretrainedImageDenoiser:
    if isinstance(codec, LatentCodec):
        return build_image_network(codec, data.classes, options)
    return build_unet(codec.shape, len(data.classes), "label", options)


def describe_features(data: Data) -> datasets.Features:
    return datasets.Features({"image": datasets.Image(), "label": datasets.ClassLabel(names=list(data.classes))})


def encode_rows(columns: Columns, data: Data) -> dict[str, list[Any]]:
    return {"image": [encode_png(image) for image in columns["image"]], "label": columns["label"].tolist()}


def decode_rows(rows: dict[str, list[Any]], data: Data) -> Columns:
    images = np.stack([decode_png(image) for image in rows["image"]])
    return {"image": images if images.ndim == 4 else images[..., None], "label": np.array(rows["label"], np.int64)}


def draw_rows(columns: Columns, data: Data) -> list[Any]:
    return [Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image) for image in columns["image"]]


TASK = Task(
    name="classification",
    summary="an image and its class",
    extra="images",
    requires=("sklearn", "scipy"),
    builtins={"digits": "scikit-learn's 1,797 handwritten digits, 8×8 grey"},
    source_options=ImageSourceOptions,
    model_options=UNetOptions,
    condition_options=ClassConditionOptions,
    hub_tags={"task_categories": ["image-classification"]},
    describe=lambda options: describe_source(options, "label"),
    load=load_labelled_images,
    examine=examine_images,
    codec=build_codec,
    network=build_network,
    mixes=(),
    augment=augment_images,
    labels=build_class_mix,
    fit_judge=fit_classifier_judge,
    learner=ImageClassifierLearner,
    features=describe_features,
    encode=encode_rows,
    decode=decode_rows,
    draw=draw_rows,
    classes_of=label_classes,
    augmentations=("flip", "turn", "shift", "warp"),
)
