"""What to tell when a command fails by something else than the user's words: a full disk, or a fault of ours.

explain(OSError(errno.ENOSPC, "No space left on device"))  ->  ("the disk is full; …", 2)
"""

from __future__ import annotations

import errno
import os
import tempfile
import traceback

FIXES = {
    errno.ENOSPC: "the disk is full; free some space or choose another folder with --out, then run again",
    errno.EDQUOT: "the disk quota is used up; free some space or choose another folder with --out, then run again",
    errno.EROFS: "is on a read-only disk; choose another folder with --out",
    errno.EACCES: "may not be read or written by you; change its rights or choose another folder with --out",
    errno.EPERM: "may not be changed by you; change its rights or choose another folder with --out",
    errno.ENOTDIR: "runs through a file that is not a folder; choose another folder with --out",
    errno.ENOENT: "is not there or cannot be made there; choose another path",
    errno.EISDIR: "is a folder where a file is needed; choose another path",
    errno.EEXIST: "is a file where a folder is needed; choose another folder with --out",
    errno.ENAMETOOLONG: "is too long a name for this disk; choose a shorter one",
}


def explain(error: BaseException) -> tuple[str, int]:
    """(sentence, exit code). 2 if the user can mend it, else 1 with the traceback in a file.

    With SYNTHGEN_DEBUG=1 the error is raised instead.
    """
    if os.environ.get("SYNTHGEN_DEBUG") == "1":
        raise error
    cause: BaseException | None = error
    while cause is not None:
        sentence = _mendable(cause)
        if sentence:
            return sentence, 2
        cause = cause.__cause__ or cause.__context__
    return f"a fault in synthgen: {_short(error)}; {_log(error)}", 1


def _mendable(error: BaseException) -> str:
    if isinstance(error, BrokenPipeError):
        return "the output was closed before it was all written"
    # Writers in native code (safetensors, torch) tell of a full disk in words alone.
    if "No space left on device" in str(error) or "os error 28" in str(error):
        return FIXES[errno.ENOSPC]
    if not isinstance(error, OSError) or error.errno not in FIXES:
        return ""
    fix = FIXES[error.errno]
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return fix
    return f"{error.filename!r} {fix}" if error.filename else f"a file {fix}"


def _short(error: BaseException) -> str:
    first = (str(error).splitlines() or [""])[0][:200]
    return f"{type(error).__name__}: {first}" if first else type(error).__name__


def _log(error: BaseException) -> str:
    text = "".join(traceback.format_exception(error))
    try:
        with tempfile.NamedTemporaryFile(
            "w", prefix="synthgen-", suffix=".log", delete=False, encoding="utf-8"
        ) as file:
            file.write(text)
    except OSError:
        return "run it with SYNTHGEN_DEBUG=1 for the traceback"
    return f"the traceback is in {file.name}"
