"""Files that are whole or absent."""

import errno
import os
from types import SimpleNamespace

import pytest

from synthgen import storage
from synthgen.storage import (
    digest,
    digest_bytes,
    digest_folder,
    is_same,
    is_sound,
    link_whole,
    remove_leftovers,
    replace_folder,
    sealed_folder,
    write_whole,
)


@pytest.fixture
def sealed(tmp_path):
    with sealed_folder(tmp_path / "model") as folder:
        (folder / "denoiser").mkdir()
        (folder / "denoiser" / "weights").write_bytes(b"1234")
        (folder / "config.json").write_text("{}")
    return tmp_path / "model"


def test_digests_are_sha256(tmp_path):
    (tmp_path / "a").write_bytes(b"abc")
    known = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert digest(tmp_path / "a") == digest_bytes(b"abc") == known


def test_a_sealed_folder_is_sound(sealed):
    assert is_sound(sealed)
    assert set(digest_folder(sealed)) == {"denoiser/weights", "config.json"}
    assert [path.name for path in sealed.parent.iterdir()] == ["model"]


@pytest.mark.parametrize(
    "damage",
    [
        lambda folder: (folder / "denoiser" / "weights").write_bytes(b"1235"),
        lambda folder: (folder / "denoiser" / "weights").write_bytes(b"12"),
        lambda folder: (folder / "config.json").unlink(),
        lambda folder: (folder / "extra.py").write_text("print()"),
        lambda folder: (folder / "digests.json").unlink(),
        lambda folder: (folder / "digests.json").write_text("{"),
    ],
    ids=["altered", "truncated", "missing", "added", "no digests", "broken digests"],
)
def test_damage_to_a_sealed_folder_is_noticed(sealed, damage):
    damage(sealed)
    assert not is_sound(sealed)


def test_a_folder_that_is_not_there_is_not_sound(tmp_path):
    assert not is_sound(tmp_path / "none")


def test_a_block_that_fails_leaves_the_older_folder(sealed):
    with pytest.raises(ZeroDivisionError), sealed_folder(sealed) as folder:
        (folder / "config.json").write_text("new")
        raise ZeroDivisionError
    assert is_sound(sealed) and (sealed / "config.json").read_text() == "{}"
    assert [path.name for path in sealed.parent.iterdir()] == ["model"]


def test_a_full_disk_is_known_whatever_torch_calls_it(sealed, monkeypatch):
    monkeypatch.setattr(storage.shutil, "disk_usage", lambda path: SimpleNamespace(free=5000))
    with pytest.raises(OSError, match="No space left on device"), sealed_folder(sealed):
        raise RuntimeError("unexpected pos 576 vs 534")
    assert is_sound(sealed)


def test_a_new_folder_takes_the_place_of_the_older_one(tmp_path):
    for name, text in (("old", "1"), ("new", "2")):
        (tmp_path / name).mkdir()
        (tmp_path / name / name).write_text(text)
    replace_folder(tmp_path / "new", tmp_path / "old")
    assert digest_folder(tmp_path) == {"old/new": digest_bytes(b"2")}


def test_a_write_that_fails_leaves_the_older_file(tmp_path, monkeypatch):
    write_whole(tmp_path / "deep" / "file", "old")

    def full(handle):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(storage.os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_whole(tmp_path / "deep" / "file", "new")
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["file"]
    assert (tmp_path / "deep" / "file").read_text() == "old"


def test_is_same_looks_at_the_named_files_only(tmp_path):
    (tmp_path / "a").write_text("a")
    (tmp_path / "b").write_text("b")
    wanted = {"a": digest_bytes(b"a")}
    assert is_same(tmp_path, wanted)
    assert not is_same(tmp_path, {**wanted, "c": digest_bytes(b"c")})
    (tmp_path / "a").write_text("A")
    assert not is_same(tmp_path, wanted)


def test_leftovers_go_and_nothing_else(tmp_path):
    for name in (f".model.{os.getpid()}.tmp", ".model.7.old", ".kept", "kept.tmp", "kept"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").touch()
    (tmp_path / ".file.8.tmp").touch()
    remove_leftovers(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [".kept", "kept", "kept.tmp"]


@pytest.mark.parametrize("linked", [True, False], ids=["one disk", "two disks"])
def test_a_file_or_folder_under_another_name(sealed, tmp_path, monkeypatch, linked):
    def refuse(source, target):
        raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))

    if not linked:
        monkeypatch.setattr(storage.os, "link", refuse)
    (tmp_path / "heir").mkdir()
    (tmp_path / "heir" / "old").touch()
    link_whole(sealed, tmp_path / "heir")
    link_whole(sealed / "config.json", tmp_path / "deep" / "file")
    assert is_sound(tmp_path / "heir") and (tmp_path / "deep" / "file").read_text() == "{}"
    assert (tmp_path / "heir" / "config.json").samefile(sealed / "config.json") == linked
    write_whole(sealed / "config.json", "new")
    assert is_sound(tmp_path / "heir"), "a later write changed the other one's file"
    left = {path.name for path in tmp_path.rglob("*") if path.name.startswith(".")}
    assert left == set()
