"""Objects below an address, through fsspec: tried again while that may help, and failures told in one sentence.

It knows names and bytes, not what a run is. Names are relative paths.

    store = Store(Address("s3://bucket/runs/digits"))
    store.write("state/recipe.json", b"{}")
"""

from __future__ import annotations

import errno
import time
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

from ..errors import UserError
from .address import Address

Made = TypeVar("Made")

TRIES = 5  # of whatever may succeed when it is tried again
PAUSE = 0.5  # seconds before the second try; doubled before each further one
EXTRAS = {"s3": ("s3fs", "s3"), "s3a": ("s3fs", "s3"), "gs": ("gcsfs", "gcs"), "gcs": ("gcsfs", "gcs")}
HOPELESS = (
    PermissionError, FileNotFoundError, FileExistsError, NotADirectoryError, IsADirectoryError, ImportError, TypeError,
    ValueError, NotImplementedError,
)  # fmt: skip
FULL = (errno.ENOSPC, errno.EDQUOT)
REFUSED = ("Credential", "ProfileNotFound", "RefreshError", "TokenRetrieval", "Unauthorized", "Forbidden")


class Store:
    """What lies below one address."""

    def __init__(self, address: Address) -> None:
        self.address, self.tries = address, TRIES

    @cached_property
    def _opened(self) -> tuple[Any, str]:
        """(file system, path of the address in it)."""
        import fsspec

        own = {"auto_mkdir": True} if self.address.protocol in ("file", "local") else {}
        try:
            system, root = fsspec.core.url_to_fs(self.address.url, use_listings_cache=False, **own)
        except ImportError as error:
            raise UserError(self._lacking(error)) from None
        except ValueError as error:
            raise UserError(
                f"{self.address.option}: {str(self.address)!r} cannot be opened ({_first_line(error)}); use s3://, "
                "gs://, or a folder"
            ) from None
        return system, str(root).rstrip("/")

    def _lacking(self, error: ImportError) -> str:
        head = f"{self.address.option}: '{self.address.protocol}://…' needs"
        if self.address.protocol in EXTRAS:
            package, extra = EXTRAS[self.address.protocol]
            return f"{head} {package}; run: pip install 'synthgen[{extra}]'"
        return f"{head} a package that is not installed ({_first_line(error)}); install it, or use s3://, gs://"

    def sizes(self) -> dict[str, int]:
        """Bytes of every object."""
        system, root = self._opened

        def look() -> dict[str, int]:
            system.invalidate_cache()
            found = system.find(root, detail=True)
            return {name[len(root) :].lstrip("/"): int(entry.get("size") or 0) for name, entry in found.items()}

        return self._try(look, {})

    def check(self) -> None:
        """Raises UserError where it cannot be read, or there is no such bucket. Writes nothing."""
        system, root = self._opened
        bucket = root.strip("/").partition("/")[0]
        if not self.sizes() and self.address.protocol in EXTRAS and not self._try(lambda: system.exists(bucket)):
            raise UserError(explain(self.address, FileNotFoundError(f"no bucket {bucket!r}")))

    def read(self, name: str) -> bytes | None:
        """None where it is not there."""
        system, root = self._opened
        return self._try(lambda: bytes(system.cat_file(f"{root}/{name}")), None)

    def write(self, name: str, data: bytes) -> None:
        system, root = self._opened
        self._try(lambda: system.pipe_file(f"{root}/{name}", data))

    def create(self, name: str, data: bytes) -> None:
        """Write it unless it is there, in one step where the store can do that, as S3 can."""
        system, root = self._opened

        def put() -> None:
            try:
                system.pipe_file(f"{root}/{name}", data, mode="create")
            except FileExistsError:
                pass
            except (TypeError, NotImplementedError):
                system.pipe_file(f"{root}/{name}", data)

        self._try(put)

    def send(self, path: Path, name: str) -> None:
        """A file of this machine. FileNotFoundError is that of the file."""
        system, root = self._opened
        self._try(lambda: system.put_file(str(path), f"{root}/{name}"))

    def get(self, name: str, path: Path) -> bool:
        """Into a file of this machine, whose folder is there; False where there is no such object."""
        system, root = self._opened

        def load() -> bool:
            system.get_file(f"{root}/{name}", str(path))
            return True

        return self._try(load, False)

    def delete(self, names: Sequence[str]) -> None:
        """In this order; those that are not there do not matter."""
        system, root = self._opened
        for name in names:
            self._try(lambda name=name: system.rm_file(f"{root}/{name}"), None)  # type: ignore[misc]

    def vanish(self) -> None:
        """Take away the empty folders that deleted objects leave on file systems that have folders."""
        system, root = self._opened
        try:
            if not system.find(root) and system.exists(root):
                system.rm(root, recursive=True)
        except OSError:
            pass

    def _try(self, work: Callable[[], Made], absent: Any = ...) -> Made:
        """What the work gives; `absent`, if it was given, where the object is not there. Raises UserError."""
        for tried in range(1, self.tries + 1):
            try:
                return work()
            except UserError:
                raise
            except Exception as error:
                if isinstance(error, FileNotFoundError) and absent is not ...:
                    return absent  # type: ignore[no-any-return]
                if tried == self.tries or not _may_pass(error):
                    raise UserError(explain(self.address, error)) from error
                time.sleep(PAUSE * 2 ** (tried - 1))
        raise AssertionError


def _may_pass(error: Exception) -> bool:
    own = getattr(error, "errno", None)
    return not (isinstance(error, HOPELESS) or own in (*FULL, errno.EROFS, errno.ENAMETOOLONG) or _is_refusal(error))


def _is_refusal(error: Exception) -> bool:
    return isinstance(error, PermissionError) or any(word in type(error).__name__ for word in REFUSED)


def explain(address: Address, error: Exception) -> str:
    """One sentence with the fix."""
    head, told = f"{address.option}: {str(address)!r}", _first_line(error)
    kept = "what was made is kept on this machine, and the same command goes on"
    if _is_refusal(error):
        return f"{head} is refused to you ({told}); check the credentials of {address.protocol} and your rights there"
    if isinstance(error, FileNotFoundError):
        return f"{head} is not there ({told}); make the bucket, or correct its name"
    if getattr(error, "errno", None) in FULL:
        return f"{head} is full ({told}); free some space there; {kept}"
    if isinstance(error, HOPELESS) or getattr(error, "errno", None) in (errno.EROFS, errno.ENAMETOOLONG):
        return f"{head} cannot hold a run ({told}); use another {address.option}"
    return f"{head} cannot be reached ({told}); see to the network or the store; {kept}"


def _first_line(error: Exception) -> str:
    text = (str(error).strip().splitlines() or [""])[0][:200]
    return text or type(error).__name__
