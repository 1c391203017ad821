"""The doors to every kind of source: opening one, and a quick look whether it can be opened. Decodes no image.

describe_source(ImageSourceOptions(kind="files", path="clothes"), "label")     # "clothes: train, heldout; ..."
"""

from __future__ import annotations

from .builtins import check_builtin
from .digits import open_digits
from .files import open_files
from .hub import describe_hub, open_hub
from .options import ImageSourceOptions
from .rows import Opened, Target

BUILTINS: dict[Target, tuple[str, ...]] = {"label": ("digits",), "mask": ("tissue",)}
MODULES = {"digits": "sklearn", "tissue": "skimage"}
EXTRA = "images"


def open_source(options: ImageSourceOptions, target: Target) -> Opened:
    """The rows of files, of the Hub, or of the digits, still encoded."""
    if options.kind == "builtin":
        return open_digits()
    return open_hub(options, target) if options.kind == "hub" else open_files(options, target)


def describe_source(options: ImageSourceOptions, target: Target) -> str:
    """One line about a source whose rows have a label or a mask, from headers alone. A UserError if it has none."""
    if options.kind == "builtin":
        check_images(options, target)
        return f"{options.name}: built in"
    if options.kind == "hub":
        return describe_hub(options, target)
    opened = open_files(options, target)
    classes = f"; {len(opened.names)} classes" if opened.names else ""
    return f"{opened.title}: {', '.join(opened.parts)}{classes}"


def check_images(options: ImageSourceOptions, target: Target) -> None:
    """A UserError if there is no such built-in source, or its package is missing."""
    name, every = options.name or "", [known for names in BUILTINS.values() for known in names]
    module = MODULES.get(name, "")
    check_builtin(name, BUILTINS[target], module=module, extra=EXTRA, others=every, lacks=f"{target}s")
