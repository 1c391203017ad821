"""Real rows: what is built in, a user's files, the Hub; the one place that tells train, validation and held-out apart.

Importing the package loads nothing heavy: the loaders are imported when they are first named. Knows nothing of models.

    data = load_labelled_images(ImageSourceOptions(kind="builtin", name="digits"), seed=0)
    data.train["image"].shape        # (970, 8, 8, 1)
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .options import ImageSourceOptions
from .series_options import SeriesSourceOptions
from .shape_options import ShapeSourceOptions
from .text.conversation_options import ConversationSourceOptions
from .text.pair_options import PairSourceOptions
from .text.question_options import QuestionSourceOptions

if TYPE_CHECKING:
    from .describe import describe_source
    from .images import load_labelled_images, load_masked_images
    from .series import describe_series, load_series
    from .shapes import describe_shapes, load_shapes
    from .text.conversations import describe_conversations, load_conversations
    from .text.pairs import describe_pairs, load_pairs
    from .text.questions import describe_questions, load_questions

__all__ = [
    "ConversationSourceOptions",
    "ImageSourceOptions",
    "PairSourceOptions",
    "QuestionSourceOptions",
    "SeriesSourceOptions",
    "ShapeSourceOptions",
    "describe_conversations",
    "describe_pairs",
    "describe_questions",
    "describe_series",
    "describe_shapes",
    "describe_source",
    "load_conversations",
    "load_labelled_images",
    "load_masked_images",
    "load_pairs",
    "load_questions",
    "load_series",
    "load_shapes",
]

_MODULES = {
    "describe_source": "describe",
    "load_labelled_images": "images",
    "load_masked_images": "images",
    "describe_series": "series",
    "load_series": "series",
    "describe_shapes": "shapes",
    "load_shapes": "shapes",
    "describe_conversations": "text.conversations",
    "load_conversations": "text.conversations",
    "describe_pairs": "text.pairs",
    "load_pairs": "text.pairs",
    "describe_questions": "text.questions",
    "load_questions": "text.questions",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_MODULES[name]}", __name__), name)
