from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
from pydantic import ValidationError

from synthgen.sources import ImageSourceOptions

GOOD = [
    {"kind": "builtin", "name": "digits"},
    {"kind": "builtin", "name": "tissue", "rows": 200, "size": 32},
    {"kind": "files", "path": "photos"},
    {"kind": "files", "path": "photos/*.parquet", "size": (32, 48), "fit": "tile", "channels": "rgb"},
    {"kind": "files", "path": "copy", "id": "owner/name", "revision": "main", "config": "small"},
    {"kind": "hub", "id": "owner/name", "split": {"train": "train[:10%]", "heldout": "test"}},
    {"kind": "files", "path": "x", "classes": ["a", "b"], "ignore": 255, "license": "CC0-1.0", "origin": "me"},
]

BAD = [
    ({"kind": "builtin"}, "name"),
    ({"kind": "files"}, "path"),
    ({"kind": "hub"}, "id"),
    ({"kind": "builtin", "name": "digits", "path": "x"}, "path"),
    ({"kind": "builtin", "name": "digits", "license": "MIT"}, "license"),
    ({"kind": "builtin", "name": "digits", "heldout": 0.3}, "heldout"),
    ({"kind": "files", "path": "x", "name": "digits"}, "source.name=null"),
    ({"kind": "hub", "id": "a/b", "path": "x"}, "path"),
    ({"kind": "files", "path": "https://example.org/x.parquet"}, "not a path"),
    ({"kind": "files", "path": "hf://datasets/a/b"}, "not a path"),
    ({"kind": "files", "path": "file:///etc"}, "not a path"),
    ({"kind": "files", "path": "a\0b"}, "not a path"),
    ({"kind": "files", "path": ""}, "path"),
    ({"kind": "hub", "id": "../../etc"}, "owner/name"),
    ({"kind": "hub", "id": "mnist"}, "owner/name"),
    ({"kind": "hub", "id": "a/b/c"}, "owner/name"),
    ({"kind": "hub", "id": "https://huggingface.co/a/b"}, "owner/name"),
    ({"kind": "ftp", "path": "x"}, "kind"),
    ({"kind": "files", "path": "x", "size": 0}, "size"),
    ({"kind": "files", "path": "x", "size": -3}, "size"),
    ({"kind": "files", "path": "x", "size": 100_000}, "size"),
    ({"kind": "files", "path": "x", "fit": "tile"}, "size"),
    ({"kind": "files", "path": "x", "rows": 0}, "rows"),
    ({"kind": "files", "path": "x", "rows": 10**12}, "rows"),
    ({"kind": "files", "path": "x", "images": 1}, "images"),
    ({"kind": "files", "path": "x", "classes": ["a"]}, "classes"),
    ({"kind": "files", "path": "x", "classes": ["a", "a"]}, "twice"),
    ({"kind": "files", "path": "x", "classes": [f"c{i}" for i in range(1001)]}, "classes"),
    ({"kind": "files", "path": "x", "classes": ["a", "b"], "ignore": 1}, "ignore"),
    ({"kind": "files", "path": "x", "ignore": 256}, "ignore"),
    ({"kind": "files", "path": "x", "heldout": 0.0}, "heldout"),
    ({"kind": "files", "path": "x", "heldout": float("nan")}, "heldout"),
    ({"kind": "files", "path": "x", "validation": 1.0}, "validation"),
    ({"kind": "files", "path": "x", "columns": {"picture": "img"}}, "columns"),
    ({"kind": "files", "path": "x", "columns": {"image": ""}}, "columns"),
    ({"kind": "files", "path": "x", "columns": {"image": "a", "label": "a"}}, "twice"),
    ({"kind": "files", "path": "x", "split": {"heldout": "test"}}, "train"),
    ({"kind": "files", "path": "x", "colour": "rgb"}, "colour"),
]


@pytest.mark.parametrize("fields", GOOD)
def test_good_options_survive_being_written_and_read(fields: dict[str, Any]) -> None:
    options = ImageSourceOptions(**fields)
    assert ImageSourceOptions(**options.model_dump(mode="json")) == options


@pytest.mark.parametrize(("fields", "named"), BAD)
def test_bad_options_are_refused_and_named(fields: dict[str, Any], named: str) -> None:
    with pytest.raises(ValidationError) as caught:
        ImageSourceOptions(**fields)
    assert caught.value.error_count() <= 2
    assert named in str(caught.value)


def test_every_field_is_described() -> None:
    schema = ImageSourceOptions.model_json_schema()["properties"]
    assert [name for name, field in schema.items() if not field.get("description")] == []


def test_options_and_the_package_load_nothing_heavy() -> None:
    code = "import sys, synthgen.sources.options; print({'torch', 'numpy', 'datasets', 'PIL'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "set()"


def test_one_number_is_both_sides() -> None:
    assert ImageSourceOptions(kind="files", path="x", size=12).height_width == (12, 12)
    assert ImageSourceOptions(kind="files", path="x", size=(12, 20)).height_width == (12, 20)
    assert ImageSourceOptions(kind="files", path="x").height_width is None
