"""Files of an address come whole or not at all."""

import pytest
from troubled import Troubled, refuse, spoil

from synthgen.errors import UserError
from synthgen.remote.fetching import fetch
from synthgen.remote.store import Store
from synthgen.storage import digest_bytes


@pytest.fixture
def wanted(address):
    """A listing's entries of three files."""
    for name in "abc":
        Store(address).write(f"model/{name}", name.encode())
    return {f"model/{name}": (1, digest_bytes(name.encode())) for name in "abc"}


def test_only_what_is_missing_comes(address, wanted, tmp_path):
    asked = []
    Troubled.trouble = lambda call, path: call == "get_file" and asked.append(path[-1])
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "a").write_bytes(b"a")
    (tmp_path / "model" / "b").write_bytes(b"x")
    assert fetch(Store(address), wanted, tmp_path) == set() and sorted(asked) == ["b", "c"]
    assert [path.read_bytes() for path in sorted((tmp_path / "model").iterdir())] == [b"a", b"b", b"c"]


def test_nothing_is_left_of_what_is_damaged(address, wanted, tmp_path):
    spoil(address, "model/a")
    spoil(address, "model/b", b"longer")
    assert fetch(Store(address), wanted, tmp_path) == {"model/a", "model/b"}
    assert [path.name for path in (tmp_path / "model").iterdir()] == ["c"]


def test_what_cannot_be_read_is_no_damage(address, wanted, tmp_path):
    Troubled.trouble = refuse(PermissionError("no"), "get_file")
    with pytest.raises(UserError, match="is refused to you"):
        fetch(Store(address), wanted, tmp_path)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]
