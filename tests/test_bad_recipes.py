"""Whatever a recipe gets wrong: exit 2, one sentence on stderr, no traceback, nothing written."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from synthgen import strict_yaml

GOOD: dict[str, Any] = {
    "name": "bad-test",
    "task": "classification",
    "count": 10,
    "seed": 0,
    "source": {"kind": "builtin", "name": "digits"},
}
SECTIONS = ("source", "model", "train", "conditions", "sample", "gates", "evaluate", "export")
NO_COUNT: tuple[Any, ...] = (-1, 0, -(10**9), 10**30, 1.5, "12", "many", True, None, [], [1], {}, {"a": 1})

# (path, values that must be refused there)
BAD_FIELDS: tuple[tuple[str, tuple[Any, ...]], ...] = (
    (
        "name",
        ("", ".", "..", "../up", "a/b", "/etc", "a\\b", "Name", "-x", "x" * 65, "a b", "é", 3, None, [], {}, True),
    ),
    ("task", ("", "clasification", "../classification", "task", "_x", 1, None, [], {}, True, "os", "types")),
    ("count", (*NO_COUNT, 100_000_001, float("inf"), float("nan"), -0.0)),
    ("seed", (-1, 2**63, 0.5, "0", True, None, [], {}, float("nan"))),
    ("description", (1, [], {}, True, None, "x" * 2001)),
    *((section, (None, 1, 0.5, "text", True, [], ["a"])) for section in SECTIONS if section != "gates"),
    ("gates", (None, 1, "text", True, False, [])),
    ("source.kind", ("url", "HUB", "", 1, None, [], True)),
    ("source.name", (1, "", None, [], {}, "x" * 300)),
    ("source.rows", (-5, 0, 1, 1.5, "all", True, 10**12, [])),
    ("source.validation", (-0.1, 0, 1, 2, "half", float("nan"), float("inf"), None, True)),
    ("train.seconds", (-1, 0, 1e12, "120", True, [], float("nan"), float("inf"), float("-inf"))),
    ("train.steps", (-1, 0, 1.5, 10**12, "ten", True, [])),
    ("train.batch_size", (*NO_COUNT, 10**6)),
    ("train.learning_rate", (-1, 0, 11, "fast", None, True, float("nan"), float("inf"))),
    ("train.optimizer", ("sgd", "Muon", 1, None, [])),
    ("train.gradient_checkpointing", (1, "often", None, [])),
    ("model.adapt", ("qlora", "full", 1, True, [])),  # there is no base
    ("model.rank", (0, -1, 8, 1.5, "x", None)),
    ("model.targets", (1, "to_q", None, [1], ["to_q"])),
    ("sample.solver", ("ddim", 1, None, [])),
    ("sample.threshold", (-1, 0.5, 2, "sure", None)),
    ("train.precision", ("fp8", 16, None, [])),
    ("train.drop", (-0.1, 1.1, "x", None, float("nan"))),
    ("sample.steps", (*NO_COUNT, 10**6)),
    ("sample.batch_size", (*NO_COUNT, 10**9)),
    ("sample.shard_size", (*NO_COUNT, 10**9)),
    ("sample.guidance", (-1, "strong", None, float("nan"), float("inf"), [], True)),
    ("gates.agreement", (None, 1, "maybe", [], 0.5)),
    ("gates.agreement.quantile", (-1, 0.9, "x", None, float("nan"))),
    ("gates.copies", (None, 2, "some", [])),
    ("evaluate.seeds", (*NO_COUNT, 1000)),
    ("evaluate.baseline", (1, "yes", None, [])),
    ("export.formats", ("coco", ["voc"], [1], {"coco": 1}, None, 3, True)),
    ("export.push", ("a b", "../x", "https://x/y", 1, [], "")),
    ("export.rows_per_file", (*NO_COUNT,)),
    ("conditions.balance", (1, "even", None, [], True, {"0": "x"})),
)
UNKNOWN = (
    *(
        "counts",
        "Count",
        "sed",
        "sources",
        "modle",
        "output",
        "engine",
        "__class__",
        "model_config",
        "<<",
        "0",
        " name",
    ),
    *(f"{section}.no_such_field" for section in SECTIONS),
    *("train.stepz", "train.second", "sample.guidence", "source.pth", "source.url", "source.trust_remote_code"),
    *(
        "gates.copy",
        "gates.agreement.quantil",
        "evaluate.seed",
        "export.format",
        "model.custom_pipeline",
        "train.__init__",
    ),
)
PATHS_OF_SOURCES = (
    *("https://example.org/x.parquet", "hf://x/y", "s3://bucket/x", "file:///etc/passwd", "ftp://h/x", "http:x"),
    *("", 3, None, [], "no/such/folder/x.parquet", "no-such-*.parquet"),
)
HUB_IDS = ("x", "../x", "a/b/c", "/a", "a/", "https://huggingface.co/datasets/a/b", "a b/c", 1, None, "", "a/..", "-/x")

TEXTS: dict[str, bytes] = {
    "empty": b"",
    "blank": b"\n  \n",
    "comment only": b"# nothing\n",
    "null": b"null",
    "scalar": b"segmentation",
    "number": b"3",
    "list": b"[a, b]",
    "list of recipes": b"- name: x\n- name: y\n",
    "only a name": b"name: x\n",
    "no task": b"name: x\ncount: 3\nsource: {kind: builtin, name: digits}\n",
    "alias": b"name: &n x\ntask: *n\n",
    "anchor": b"name: &n x\ntask: classification\ncount: 3\nsource: {kind: builtin, name: digits}\n",
    "merge": b"base: &b {count: 3}\n<<: *b\n",
    "billion laughs": b"a: &a [x,x,x]\nb: &b [*a,*a,*a]\nc: &c [*b,*b,*b]\nname: *c\n",
    "recursive": b"&a [*a]",
    "python object": b"!!python/object/apply:os.system ['true']",
    "python name": b"name: !!python/name:os.system\n",
    "local tag": b"name: !include /etc/passwd\n",
    "standard tag": b"name: !!str x\n",
    "binary tag": b"name: !!binary aGVsbG8=\n",
    "set tag": b"name: !!set {a, b}\n",
    "duplicate key": b"name: x\nname: y\n",
    "duplicate key inside": b"train: {steps: 1, steps: 2}\n",
    "two documents": b"name: x\n---\nname: y\n",
    "list as key": b"? [a, b]\n: c\n",
    "mapping as key": b"{a: 1}: 2\n",
    "deep list": b"[" * 500,
    "deep mapping": b"a: {" * 300,
    "deep block": b"".join(b" " * level + b"a:\n" for level in range(100)),
    "unclosed": b"name: [x\n",
    "unclosed quote": b'name: "x\n',
    "tab": b"\tname: x\n",
    "at sign": b"name: @x\n",
    "colon": b"name: a: b\n",
    "bad indent": b"name: x\n   task: y\n",
    "json with comma": b'{"name": "x",, }',
    "utf-16": "name: x\n".encode("utf-16"),
    "latin-1": "name: é\n".encode("latin-1"),
    "nul": b"name: \x00\n",
    "escaped nul": b'name: "\\0"\n',
    "escape sequence": b'name: "\\e[31mred"\n',
    "bell in a key": b'"\\a": 1\n',
    "lone surrogate": b'name: "\\ud800"\n',
    "impossible character": b'name: "\\UFFFFFFFF"\n',
    "right-to-left": b'name: "\\u202Egnp.x"\n',
    "long number": b"count: " + b"9" * 5000 + b"\n",
    "long exponent": b"name: x\ntask: classification\nsource: {kind: builtin, name: digits}\ncount: 1e999999\n",
    "octal": b"name: x\ntask: classification\nsource: {kind: builtin, name: digits}\ncount: 0o17\n",
    "leading zero": b"name: x\ntask: classification\nsource: {kind: builtin, name: digits}\ncount: 010\n",
    "sexagesimal": b"name: x\ntask: classification\nsource: {kind: builtin, name: digits}\ncount: 1:30\n",
    "png": b"\x89PNG\r\n\x1a\n" + bytes(range(256)),
    "gzip": b"\x1f\x8b\x08\x00" + bytes(100),
    "elf": b"\x7fELF" + bytes(64),
    "pickle": b"\x80\x04\x95\x10\x00\x00\x00.",
    "zip": b"PK\x03\x04" + bytes(64),
    "script": b"#!/bin/sh\nrm -rf x\n",
    "html": b"<html><body>404</body></html>",
    "too large": b"# " + b"x" * 1_000_001,
    "long key": b"k" * 100_000 + b": 1\n",
    "yaml 9": b"%YAML 9.9\n---\nname: x\n",
    "directive": b"%FOO bar\nname: x\n",
}
OVERRIDES = (
    *("", "=", "count", "count=", "=5", ".count=5", "count.=5", "a..b=1", " =1", "count =5", "\x1b=1", "count= "),
    *(
        "count=-5",
        "count=abc",
        "count=1.5",
        "count=true",
        "count=null",
        "count=[1]",
        "count={a: 1}",
        "count=*x",
        "count=&x 1",
    ),
    *("count=!!int 5", "count=%", "count=@", "count=`", "count=[", "count={", "count='", "count=1e999", "count=0x10"),
    *(
        "count.x=5",
        "trian.steps=1",
        "train.stepz=1",
        "train=5",
        "train=[]",
        "name=../x",
        "name=/x",
        "task=x",
        "task=null",
    ),
    *(
        "source.name.x=1",
        "gates.agreement.quantile.x=1",
        "model.no_such=1",
        "seed=-1",
        "count=3\n---\n4",
        "count='\x00'",
    ),
    *("__class__.x=1", "train.__init__=1", "export.formats=[voc]", "conditions.balance.0=lots", "count=" + "9" * 5000),
)


def _with(path: str, value: Any) -> dict[str, Any]:
    document: dict[str, Any] = strict_yaml.read(strict_yaml.write(GOOD))
    *parents, last = path.split(".")
    here = document
    for key in parents:
        here = here.setdefault(key, {})
    here[last] = value
    return document


BAD_DOCUMENTS = [
    *((f"{path}={value!r:.40}", path, _with(path, value)) for path, values in BAD_FIELDS for value in values),
    *((f"unknown {path}", path, _with(path, 1)) for path in UNKNOWN),
    *((f"path {p!r}", "source", {**GOOD, "source": {"kind": "files", "path": p}}) for p in PATHS_OF_SOURCES),
    *((f"hub {name!r}", "source", {**GOOD, "source": {"kind": "hub", "id": name}}) for name in HUB_IDS),
    *((f"no {key}", key, {k: v for k, v in GOOD.items() if k != key}) for key in ("name", "task", "count", "source")),
]


def _files(folder: Path) -> list[tuple[str, int, int]]:
    return sorted((str(path), path.lstat().st_size, path.lstat().st_mtime_ns) for path in folder.rglob("*"))


@pytest.fixture
def refused(command: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Runs a command that must be refused; gives the sentence."""
    monkeypatch.chdir(tmp_path)

    def call(*words: str | Path) -> str:
        before = _files(tmp_path)
        outcome = command(*words)
        assert outcome.code == 2, outcome
        assert outcome.out == ""
        assert outcome.err.startswith("synthgen: ") and outcome.err.endswith("\n"), outcome.err
        assert len(outcome.err.splitlines()) == 1, outcome.err
        assert "Traceback" not in outcome.err and outcome.err[:-1].isprintable()
        assert len(outcome.err) < 1000
        assert _files(tmp_path) == before
        return str(outcome.err)

    return call


def test_there_are_at_least_two_hundred() -> None:
    documents = {strict_yaml.write(document) for _, _, document in BAD_DOCUMENTS}
    assert len(documents) + len(set(TEXTS.values())) + len(set(OVERRIDES)) >= 300
    assert len(documents) >= 200


def test_good_is_good(command: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Else the bad ones might be refused for another reason.
    monkeypatch.chdir(tmp_path)
    Path("good.yaml").write_text(strict_yaml.write(GOOD))
    outcome = command("validate", "good.yaml")
    assert outcome.code == 0, outcome
    assert os.listdir() == ["good.yaml"]


@pytest.mark.parametrize(
    ("path", "document"), [case[1:] for case in BAD_DOCUMENTS], ids=[case[0] for case in BAD_DOCUMENTS]
)
def test_bad_field(path: str, document: dict[str, Any], refused: Callable[..., str]) -> None:
    Path("bad.yaml").write_text(strict_yaml.write(document))
    sentence = refused("validate", "bad.yaml")
    assert path.split(".")[-1].strip() in sentence or path.split(".")[0] in sentence


@pytest.mark.parametrize("path", ["count", "train.steps", "source.kind", "gates.agreement", "name"])
def test_run_refuses_before_it_makes_a_folder(path: str, refused: Callable[..., str]) -> None:
    Path("bad.yaml").write_text(strict_yaml.write(_with(path, "no!")))
    assert path in refused("run", "bad.yaml", "--out", "made")
    assert path in refused("preview", "bad.yaml")


@pytest.mark.parametrize(
    "source", [{"kind": "files", "path": "nowhere"}, {"kind": "builtin", "name": "digit"}, {"kind": "hub", "id": "x"}]
)
@pytest.mark.parametrize("name", ["run", "preview"])
def test_a_source_that_is_not_there_leaves_no_folder(
    name: str, source: dict[str, Any], refused: Callable[..., str]
) -> None:
    Path("bad.yaml").write_text(strict_yaml.write({**GOOD, "source": source}))
    assert "source." in refused(name, "bad.yaml")


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_bad_text(text: bytes, refused: Callable[..., str]) -> None:
    Path("bad.yaml").write_bytes(text)
    assert "bad.yaml" in refused("run", "bad.yaml")


@pytest.mark.parametrize("change", OVERRIDES, ids=[repr(change)[:40] for change in OVERRIDES])
def test_bad_override(change: str, refused: Callable[..., str]) -> None:
    Path("good.yaml").write_text(strict_yaml.write(GOOD))
    assert "--set" in refused("validate", "good.yaml", "--set", change)


@pytest.mark.parametrize(
    "reference",
    ["", ".", "..", "/", "~", "no-such", "segmentatoin", "no/such.yaml", "/dev/null", "/dev/zero", "x" * 5000, "a\x00b",
     "../../../etc/passwd", "segmentation/../segmentation", "https://example.org/x.yaml", "\x1b[31m", "*.yaml", "-"],
    ids=lambda reference: repr(reference)[:30],
)  # fmt: skip
def test_bad_reference(reference: str, refused: Callable[..., str]) -> None:
    refused("run", reference)


def test_fifo_is_not_read(refused: Callable[..., str]) -> None:
    os.mkfifo("pipe.yaml")
    assert "regular file" in refused("run", "pipe.yaml")


def test_folder_named_like_a_recipe(refused: Callable[..., str]) -> None:
    os.mkdir("folder.yaml")
    assert "folder" in refused("run", "folder.yaml")


def test_several_mistakes_are_counted(refused: Callable[..., str]) -> None:
    Path("bad.yaml").write_text(strict_yaml.write({**GOOD, "count": -5, "seed": -1, "train": {"stepz": 1}}))
    sentence = refused("validate", "bad.yaml")
    assert "count: -5 is too small; use 1 or more (and 2 more)" in sentence


FUZZ = settings(
    max_examples=60, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
SCALARS = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=20))
NOT_A_MAPPING = st.one_of(SCALARS, st.lists(SCALARS, max_size=3))


@FUZZ
@given(data=st.binary(max_size=300))
def test_fuzz_bytes(data: bytes, refused: Callable[..., str]) -> None:
    Path("bad.yaml").write_bytes(data)
    refused("validate", "bad.yaml")


@FUZZ
@given(text=st.text(alphabet="ab:{}[]&*!|>-? \n\t'\"#%@,0.1e~", max_size=60))
def test_fuzz_yaml(text: str, refused: Callable[..., str]) -> None:
    Path("bad.yaml").write_text(text)
    refused("validate", "bad.yaml")


@FUZZ
@given(section=st.sampled_from(SECTIONS), value=NOT_A_MAPPING)
def test_fuzz_sections(section: str, value: Any, refused: Callable[..., str]) -> None:
    Path("bad.yaml").write_text(strict_yaml.write({**GOOD, section: value}))
    refused("validate", "bad.yaml")


@FUZZ
@given(section=st.sampled_from(SECTIONS), key=st.text(min_size=1, max_size=30), value=SCALARS)
def test_fuzz_unknown_fields(section: str, key: str, value: Any, refused: Callable[..., str]) -> None:
    Path("bad.yaml").write_text(strict_yaml.write({**GOOD, section: {**GOOD.get(section, {}), f"?{key}": value}}))
    refused("validate", "bad.yaml")


@FUZZ
@given(change=st.text(max_size=30))
def test_fuzz_overrides(change: str, refused: Callable[..., str]) -> None:
    Path("good.yaml").write_text(strict_yaml.write(GOOD))
    refused("validate", "good.yaml", "--set", f"?{change}")
