"""Files that are whole or absent: written under a temporary name, synced, renamed, and known by their digests.

with sealed_folder(path) as folder:
    (folder / "weights.safetensors").write_bytes(data)
assert is_sound(path)
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

DIGESTS = "digests.json"
SPARE = 2**20  # bytes: a disk with less is full


def digest(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def digest_bytes(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def digest_folder(folder: Path) -> dict[str, str]:
    """SHA-256 of every file below `folder` but the list of digests itself, by relative path."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != DIGESTS)
    return {path.relative_to(folder).as_posix(): digest(path) for path in paths}


def write_whole(path: Path, data: bytes | str) -> None:
    """Write a file so that a reader sees the old content or the new, never a part."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(data.encode() if isinstance(data, str) else data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


@contextmanager
def sealed_folder(path: Path) -> Iterator[Path]:
    """A temporary folder that becomes `path` when the block ends well, with the digests of its files inside."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir()
    try:
        yield temporary
        write_whole(temporary / DIGESTS, json.dumps(digest_folder(temporary), indent=1))
        replace_folder(temporary, path)
    except BaseException as error:
        full = isinstance(error, RuntimeError) and shutil.disk_usage(path.parent).free < SPARE
        shutil.rmtree(temporary, ignore_errors=True)
        if full:  # torch.save tells of a full disk as of an unexpected position in a file
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)) from error
        raise


def replace_folder(temporary: Path, path: Path) -> None:
    """Put a finished folder in the place of an older one, once its files are on the disk."""
    for file in temporary.rglob("*"):
        if file.is_file():
            _sync(file)
    old = path.with_name(f".{path.name}.{os.getpid()}.old")
    if path.exists():
        os.replace(path, old)
    os.replace(temporary, path)
    shutil.rmtree(old, ignore_errors=True)
    _sync_folder(path.parent)


def link_whole(source: Path, target: Path) -> None:
    """The same file, or a folder of the same files, under another name: hard links, or copies on another disk."""
    temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    try:
        if source.is_dir():
            shutil.copytree(source, temporary, dirs_exist_ok=True, copy_function=_link)
            replace_folder(temporary, target)
        else:
            _link(source, temporary / target.name)
            os.replace(temporary / target.name, target)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _link(source: str | Path, target: str | Path) -> None:
    try:
        os.link(source, target)
    except OSError:  # another disk, or one without links
        shutil.copy2(source, target)


def is_sound(folder: Path) -> bool:
    """Whether a sealed folder is there with every file as it was written."""
    try:
        return bool(json.loads((folder / DIGESTS).read_text()) == digest_folder(folder))
    except (OSError, ValueError):
        return False


def is_same(folder: Path, digests: dict[str, str]) -> bool:
    """Whether the named files (relative paths) are in the folder with those digests."""
    try:
        return all(digest(folder / name) == sha256 for name, sha256 in digests.items())
    except OSError:
        return False


def remove_leftovers(folder: Path) -> None:
    """Delete what interrupted writes left behind in `folder`."""
    for pattern in (".*.tmp", ".*.old"):
        for path in folder.glob(pattern):
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)


def _sync(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
