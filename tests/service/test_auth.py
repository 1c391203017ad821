"""Bearer keys: where they come from, and what is wrong with them."""

from __future__ import annotations

import pytest

from synthgen.errors import UserError
from synthgen.service.auth import Keys

ANN, BOB = "0123456789abcdef", "fedcba9876543210"


def test_keys_of_file_and_environment(tmp_path):
    (tmp_path / "keys").write_text(f"# those of March\n\nann: {ANN}\nbob:{BOB}\n")
    for keys in (Keys.read(str(tmp_path / "keys"), {}), Keys.read(None, {"SYNTHGEN_KEYS": f"ann:{ANN}\nbob:{BOB}"})):
        assert keys.who(ANN) == "ann" and keys.who(BOB) == "bob"
        assert keys.who("") is None and keys.who(ANN[:-1]) is None and keys.who("\udcff") is None
        assert ANN not in repr(keys)
    assert not Keys.read(None, {}).digests


@pytest.mark.parametrize(
    "text, told",
    [
        ("ann", "line 1 is not name:key"),
        (f"ann:{ANN}\nbob:short", "line 2 is not name:key"),
        (f"an n:{ANN}", "line 1 is not name:key"),
        (f"ann:{ANN}\nann:{BOB}", "line 2 names 'ann' again"),
        ("\n# none\n", "holds no key"),
    ],
)
def test_mistakes_name_the_line_and_no_key(tmp_path, text, told):
    (tmp_path / "keys").write_text(text)
    with pytest.raises(UserError, match=told) as raised:
        Keys.read(str(tmp_path / "keys"), {})
    assert ANN not in str(raised.value) and "short" not in str(raised.value)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(UserError, match="cannot be read"):
        Keys.read(str(tmp_path / "keys"), {})
