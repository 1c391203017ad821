"""Image folders: a folder a class, or images with their masks. Knows names of files and folders, opens none of them.

photos/train/cat/1.png  photos/test/dog/7.png        list_classes(folder, files, parts)
cells/images/a.png      cells/masks/a.png            list_pairs(folder, files, parts)
cells/a.png             cells/a_mask.png
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from ..errors import UserError
from .rows import PARTS, Row

DEEPEST = 4  # folders below the given one
MOST_FILES = 2_000_000
IMAGE_FOLDERS = {"image", "images"}
MASK_FOLDERS = {"mask", "masks"}
MASK_ENDING = "_mask"

PartNames = Mapping[str, frozenset[str]]
Listed = dict[str, list[Row]]

USUAL_NAMES: PartNames = {
    "train": frozenset({"train", "training"}),
    "validation": frozenset({"validation", "valid", "val", "dev"}),
    "heldout": frozenset({"test", "testing", "heldout", "held-out", "held_out", "eval"}),
}


def part_names(split: str | Mapping[Any, str] | None) -> PartNames:
    """Part -> the names that files and folders of that part have."""
    if split is None:
        return USUAL_NAMES
    given = {"train": split} if isinstance(split, str) else split
    return {part: frozenset({given[part].lower()}) for part in PARTS if part in given}


def find_part(name: str, parts: PartNames) -> str | None:
    """The part that a folder or a file's stem names, such as `test-00000-of-00001`."""
    for part, words in parts.items():
        for word in words:
            rest = name.lower().removeprefix(word)
            if len(rest) < len(name) and not rest[:1].isalnum():
                return part
    return None


def walk(folder: Path) -> Iterator[Path]:
    """The files of a folder in the order of their names, at most four folders deep, without hidden ones or links."""
    count = 0
    for place, folders, files in os.walk(folder):
        depth = len(Path(place).relative_to(folder).parts)
        folders[:] = sorted(name for name in folders if not name.startswith(".")) if depth < DEEPEST else []
        for name in sorted(files):
            if name.startswith("."):
                continue
            count += 1
            if count > MOST_FILES:
                raise UserError(f"source.path: {str(folder)!r} holds more than {MOST_FILES} files; name a smaller one")
            yield Path(place, name)


def list_classes(folder: Path, files: list[Path], parts: PartNames) -> tuple[Listed, list[str]]:
    """Rows whose label is the name of their folder, by part, and what was left over."""
    relative = {file: PurePosixPath(file.relative_to(folder).as_posix()) for file in files}
    divided = any(len(path.parts) > 2 and path.parts[0].lower() in parts["train"] for path in relative.values())
    listed: Listed = {}
    left: list[str] = []
    for file, path in relative.items():
        part = "train"
        inner = path.parts
        if divided:
            part, inner = _exact_part(inner[0], parts) or "", inner[1:]
        if not part:
            left.append(str(path))
            continue
        row = Row(str(path), file, inner[0]) if len(inner) > 1 else Row(str(path), fault="is in no class's folder")
        listed.setdefault(part, []).append(row)
    names = {str(row.target).lower() for rows in listed.values() for row in rows if row.target}
    if names & IMAGE_FOLDERS and names & MASK_FOLDERS and names <= IMAGE_FOLDERS | MASK_FOLDERS:
        raise UserError(f"source.path: {str(folder)!r} has images with masks, not classes; use task: segmentation")
    return listed, left


def list_pairs(folder: Path, files: list[Path], parts: PartNames) -> tuple[Listed, list[str]]:
    """Rows whose target is the mask of the same name, by part, and what was left over (such as masks alone)."""
    images: dict[str, list[Path]] = {}
    masks: dict[str, list[Path]] = {}
    for file in files:
        is_mask, key = _pair_key(PurePosixPath(file.relative_to(folder).as_posix()))
        (masks if is_mask else images).setdefault(key, []).append(file)
    found = {key: _part_of_path(PurePosixPath(key), parts) for key in images}
    divided = "train" in found.values()
    left = [file.relative_to(folder).as_posix() for key in masks if key not in images for file in masks[key]]
    listed: Listed = {}
    for key, pictures in images.items():
        part = found[key] if divided else "train"
        if part is None:
            left += [file.relative_to(folder).as_posix() for file in pictures]
            continue
        listed.setdefault(part, []).append(_pair(folder, pictures, masks.get(key, [])))
    return listed, left


def _pair(folder: Path, images: list[Path], masks: list[Path]) -> Row:
    where = images[0].relative_to(folder).as_posix()
    if len(images) == len(masks) == 1:
        return Row(where, images[0], masks[0])
    if len(images) > 1:
        return Row(where, fault=f"{images[1].name} has the same name; keep one of them")
    return Row(where, fault=f"{len(masks)} masks of that name; keep one" if masks else "no mask of that name")


def _pair_key(path: PurePosixPath) -> tuple[bool, str]:
    """Whether the file is a mask, and its path without what tells images from masks."""
    folders = [name.lower() for name in path.parts[:-1]]
    in_masks = any(name in MASK_FOLDERS for name in folders)
    ending = path.stem.endswith(MASK_ENDING)
    kept = [name for name in path.parts[:-1] if name.lower() not in IMAGE_FOLDERS | MASK_FOLDERS]
    stem = path.stem.removesuffix(MASK_ENDING) if in_masks or ending else path.stem
    is_mask = in_masks or (ending and not any(name in IMAGE_FOLDERS for name in folders))
    return is_mask, "/".join([*kept, stem if is_mask else path.stem])


def _part_of_path(path: PurePosixPath, parts: PartNames) -> str | None:
    return next((part for name in path.parts[:-1] if (part := _exact_part(name, parts))), None)


def _exact_part(name: str, parts: PartNames) -> str | None:
    return next((part for part, words in parts.items() if name.lower() in words), None)
