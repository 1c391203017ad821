"""Loading without the bars and notes of diffusers and transformers, which would tear our own lines.

with quiet():
    net = AutoModelForMaskedLM.from_pretrained(...)
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from importlib.util import find_spec
from typing import Any


@contextmanager
def quiet() -> Iterator[None]:
    from diffusers.utils import logging

    with ExitStack() as stack, warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # of one library's names, used by the other
        stack.enter_context(_silent(logging))
        if find_spec("transformers"):
            from transformers.utils import logging as other

            stack.enter_context(_silent(other))
        yield


@contextmanager
def _silent(logging: Any) -> Iterator[None]:
    bars, level = logging.is_progress_bar_enabled(), logging.get_verbosity()
    logging.disable_progress_bar()
    logging.set_verbosity_error()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()
