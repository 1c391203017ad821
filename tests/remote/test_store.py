"""Objects at an address: what is tried again, and what is said when that does not help."""

import builtins
import errno

import pytest
from troubled import WRITES, Every, Troubled, refuse

from synthgen.errors import UserError
from synthgen.remote.address import Address
from synthgen.remote.store import Store


@pytest.fixture
def objects(address):
    return Store(address)


def test_bytes_and_files_come_back(objects, tmp_path):
    (tmp_path / "here").write_bytes(b"file")
    objects.write("state/a", b"bytes")
    objects.send(tmp_path / "here", "model/b")
    assert objects.sizes() == {"state/a": 5, "model/b": 4}
    assert objects.read("state/a") == b"bytes" and objects.get("model/b", tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == b"file"
    objects.delete(["state/a", "state/a", "model/b"])
    assert objects.read("state/a") is None and not objects.get("model/b", tmp_path / "back") and not objects.sizes()


def test_only_the_first_creates(objects):
    objects.create("state/a", b"first")
    objects.create("state/a", b"second")
    assert objects.read("state/a") == b"first"


def test_what_may_pass_is_tried_again(objects):
    Troubled.trouble = Every(2)
    for number in range(20):
        objects.write(f"state/{number}", b"bytes")
    assert len(objects.sizes()) == 20


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (PermissionError("Access Denied"), r"is refused to you \(Access Denied\); check the credentials of troubled"),
        (type("NoCredentialsError", (Exception,), {})("Unable to locate"), r"is refused to you \(Unable to locate\)"),
        (FileNotFoundError("The specified bucket does not exist"), "is not there .*; make the bucket, or correct"),
        (OSError(errno.ENOSPC, "No space left"), "is full .*; free some space there; what was made is kept"),
        (NotADirectoryError("x"), r"cannot hold a run \(x\); use another --out"),
        (TimeoutError(), r"cannot be reached \(TimeoutError\); see to the network or the store; .* the same command"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_what_does_not_pass_is_told_in_one_sentence(objects, error, told):
    Troubled.trouble = refuse(error, *WRITES)
    with pytest.raises(UserError, match=f"^--out: 'troubled://bucket/runs/digits' {told}"):
        objects.write("state/a", b"bytes")


def test_what_is_hopeless_is_not_tried_again(objects):
    asked = []
    Troubled.trouble = lambda call, path: asked.append(path) or refuse(PermissionError("no"), call)(call, path)
    with pytest.raises(UserError):
        objects.write("state/a", b"bytes")
    assert len(asked) == 1


def test_packages_and_protocols_that_are_not_there_are_named(monkeypatch):
    real = builtins.__import__

    def without(name, *rest, **more):
        if name.partition(".")[0] in ("s3fs", "gcsfs", "adlfs"):
            raise ImportError(name)
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    for url, told in (
        ("s3://b/x", r"^--out: 's3://…' needs s3fs; run: pip install 'synthgen\[s3\]'$"),
        ("gs://b/x", r"^--out: 'gs://…' needs gcsfs; run: pip install 'synthgen\[gcs\]'$"),
        ("abfs://b/x", "^--out: 'abfs://…' needs a package that is not installed .*adlfs"),
        ("foo://b/x", "^--out: 'foo://b/x' cannot be opened .*foo.*; use s3://, gs://, or a folder"),
    ):
        with pytest.raises(UserError, match=told):
            Store(Address(url)).sizes()


def test_a_folder_by_its_url(tmp_path):
    objects = Store(Address(f"file://{tmp_path}/runs/digits"))
    objects.write("state/a", b"bytes")
    assert (tmp_path / "runs" / "digits" / "state" / "a").read_bytes() == b"bytes"
    objects.delete(["state/a"])
    objects.vanish()
    assert not (tmp_path / "runs" / "digits").exists()
