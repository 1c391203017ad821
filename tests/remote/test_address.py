"""What a URL stands for, and where its copy is."""

from pathlib import Path

import pytest

from synthgen.errors import UserError
from synthgen.remote.address import Address, cache, on_this_machine, read_place


@pytest.mark.parametrize("text", ["runs/digits", "/data/runs", "C", "runs/a:b"])
def test_paths_stay_paths(text):
    assert read_place(text) == Path(text) == on_this_machine(read_place(text))


@pytest.mark.parametrize("text", ["s3://bucket/runs/digits", "s3://bucket/runs/digits/", "S3://bucket/runs/digits//"])
def test_one_place_has_one_copy(text, tmp_path):
    place = read_place(text)
    assert place == Address("s3://bucket/runs/digits")
    assert place.copy().parent == tmp_path / "cache" / "runs" and place.copy().name.startswith("digits-")
    assert place.copy() != read_place("s3://other/runs/digits").copy()


@pytest.mark.parametrize("text", ["s3://", "gs:///", "memory://", "file:///"])
def test_a_bucket_is_asked_for(text):
    with pytest.raises(UserError, match=r"^--out: .* names no bucket or folder; write one such as \w+://bucket/runs/x"):
        read_place(text)


@pytest.mark.parametrize("text", ["simplecache::s3://b/x", "s3://b/x::y", "s3://b/\x00", "://b", "a b://c"])
def test_what_is_no_url_is_told(text):
    with pytest.raises(UserError, match="^RUN: .* is not the URL of a folder; write one such as s3://bucket"):
        read_place(text, "RUN")


def test_a_password_is_not_shown():
    assert str(Address("sftp://me:secret@host/runs")) == "sftp://me@host/runs"


def test_the_cache_follows_the_environment(monkeypatch, tmp_path):
    monkeypatch.delenv("SYNTHGEN_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache() == tmp_path / "synthgen"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache() == Path.home() / ".cache" / "synthgen"
