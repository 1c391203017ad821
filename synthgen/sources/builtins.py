"""Whether a built-in source can be opened. Knows names and modules, not what a source holds.

check_builtin("motion", ("motions", "power"), module="aeon", extra="timeseries")     # did you mean 'motions'?
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from importlib.util import find_spec

from ..errors import UserError


def check_builtin(
    name: str, names: Iterable[str], *, module: str, extra: str, others: Iterable[str] = (), lacks: str = ""
) -> None:
    """A UserError if `name` is none of `names`, or the package `module` is missing.

    `others`: names of built-in sources of the same kind of rows that lack something, and `lacks` what it is.
    """
    known = list(names)
    if name not in known:
        near = get_close_matches(name, [*known, *others], 1)
        hint = f" (did you mean {near[0]!r}?)" if near else ""
        what = f"has no {lacks}" if name in others else f"is not built in{hint}"
        raise UserError(f"source.name: {name!r} {what}; here it can be {' or '.join(known)}")
    if find_spec(module) is None:
        raise UserError(
            f"source.name: {name!r} needs the package {module!r}, which is not installed; "
            f"run: pip install 'synthgen[{extra}]'"
        )
