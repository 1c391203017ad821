"""The page holds every number, says misses, loads nothing from outside, and survives reports with holes."""

import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from synthgen.evaluation.report import duration, flatten, number, plain, render, spread, write_report
from synthgen.evaluation.text_rows import TextRow

VOID = {"meta", "img", "br", "link", "input", "hr", "source"}


class Balance(HTMLParser):
    """Fails on a tag that is not closed, and collects addresses and text."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.addresses: list[str] = []
        self.tags: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.addresses += [value or "" for name, value in attrs if name in ("src", "href", "srcset", "action")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open and self.open[-1] == tag, f"</{tag}> closes {self.open[-3:]}"
        self.open.pop()


def parse(page: str) -> Balance:
    parser = Balance()
    parser.feed(page)
    parser.close()
    assert not parser.open
    return parser


def test_page_is_well_formed_and_self_contained(report: dict[str, Any], pictures: dict[str, Any]) -> None:
    page = render(report, pictures, "name: segmentation")
    parser = parse(page)
    assert all(address.startswith("data:image/png;base64,") for address in parser.addresses)
    assert len(parser.addresses) == 12 + 12 + 24 + 6
    assert not {"script", "link", "iframe"} & parser.tags
    assert not re.search(r"url\(|@import|https?://", page)


def test_every_number_of_the_report_is_on_the_page(report: dict[str, Any]) -> None:
    page = render(report, {}, "")
    for name, value in flatten(plain(report)):
        if name.split(".")[-1] == "validation_loss" and value == "":
            continue
        assert value.replace("'", "&#39;") in page, name


def test_the_same_report_gives_the_same_bytes(report: dict[str, Any], pictures: dict[str, Any]) -> None:
    assert render(report, pictures, "a: 1") == render(report, pictures, "a: 1")


def test_measures_of_a_kind_of_rows_say_what_they_are(report: dict[str, Any]) -> None:
    own = {**report, "fidelity": {**report["fidelity"], "own": {"one_nna": 0.61, "strange": 2.0}}}
    page = render(own, {}, "", {"one_nna": ("share that is given away", "near 0.5")})
    assert parse(page) and "share that is given away" in page and "near 0.5" in page and "strange" in page


def test_misses_are_said(report: dict[str, Any]) -> None:
    page = render(report, {}, "")
    assert "The gate &#39;quota&#39; made the rows worth less (-0.0052 ± 0.0018)." in page
    assert page.index("96.6% of what the same model reaches") < page.index("In plain words")


def test_text_of_the_user_is_escaped(report: dict[str, Any], pictures: dict[str, Any]) -> None:
    evil = "<script>alert(1)</script>"
    report["recipe"] = evil
    report["utility"]["metric"] = evil
    report["origin"]["name"] = evil
    report["utility"]["train_real_test_real"]["per_class"] = {evil: 0.5}
    pictures["synthetic"] = [(picture, f'" onerror="{evil}') for picture, _ in pictures["synthetic"]]
    pictures["legend"] = [(evil, (1, 2, 3))]
    report["utility"]["learner"] = "turned \u202e round"
    page = render(report, pictures, f"# {evil}")
    assert "<script" not in page
    assert 'onerror="' not in page
    assert "\u202e" not in page and "turned \\u202e round" in page
    parse(page)


def test_rows_of_texts_are_figures_of_text_and_nothing_of_theirs_is_html(report: dict[str, Any]) -> None:
    evil = "\"><script>alert('1')</script>\u202e\x00\nb"
    row = TextRow(((evil, evil), ("de", "3. März")), ((0, 0, 3),))
    made = [(row, f"row {i}: {evil}") for i in range(3)]
    pictures = {"real": [row] * 3, "synthetic": made, "epochs": [(5, [row] * 2)], "rejected": {evil: made[:1]}}
    page = render(report, pictures, "")
    parser = parse(page)
    assert page.count('<figure class="words">') == 3 + 3 + 2 + 1 and not parser.addresses
    assert "<script" not in page and "script" not in parser.tags
    assert "\u202e" not in page and "\x00" not in page and page.count("\\u202e") >= 9
    assert page.count("--cell: 300px") == 4 and page.count("<mark>") == 9


def test_further_metrics_are_columns_of_their_own(report: dict[str, Any]) -> None:
    plain_page = render(report, {}, "")
    for name, mean in (("train_real_test_real", 0.8), ("train_synthetic_test_real", 0.6)):
        report["utility"][name]["also"] = {"chr<F>": {"mean": mean, "sd": 0.01, "values": [mean]}}
    page = render(report, {}, "")
    parse(page)
    assert '<th class="n">chr&lt;F&gt;</th>' in page and "chr" not in plain_page
    assert '<td class="n">0.6000 ± 0.0100</td><td class="n">75.0%</td>' in page
    assert page.count('<td class="n">–</td><td class="n">–</td></tr>') == 2  # of the regimes that have none


@pytest.mark.parametrize("missing", [None, {}])
def test_parts_may_be_absent(report: dict[str, Any], missing: Any) -> None:
    for key in list(report):
        parse(render({**report, key: missing}, {}, ""))
        parse(render({k: v for k, v in report.items() if k != key}, {}, ""))
    parse(render({}, {}, ""))


def test_unmeasured_values_are_dashes(report: dict[str, Any]) -> None:
    report["fidelity"]["recall"] = float("nan")
    report["utility"]["baseline_augmentation"] = None
    report["utility"]["train_real_test_real"]["per_class"]["stain"] = None
    for key in ("train_real_test_real", "train_synthetic_test_real", "train_both_test_real"):
        report["utility"][key]["sd"] = None
    page = render(report, {}, "")
    assert "nan" not in re.sub(r"<style>.*?</style>", "", page, flags=re.S)
    assert "augmented</td>" not in page
    assert "No held-out row has the class &#39;stain&#39;" in page


def test_write_report_leaves_one_whole_file(tmp_path: Path, report: dict[str, Any]) -> None:
    write_report(tmp_path / "report.html", report, {}, "", {})
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]
    assert (tmp_path / "report.html").read_text(encoding="utf-8").rstrip().endswith("</html>")


def test_plain_gives_what_json_knows() -> None:
    record = {"a": np.float32(0.5), "b": np.arange(2), "c": float("inf"), "d": (1, np.nan), 5: np.bool_(True)}
    assert plain(record) == {"a": 0.5, "b": [0, 1], "c": None, "d": [1, None], "5": True}


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "–"),
        (float("nan"), "–"),
        (0, "0"),
        (12345, "12,345"),
        (0.5, "0.500"),
        (12.345, "12.3"),
        (4.2, "4.2"),
        (3e-5, "3e-05"),
    ],
)
def test_number(value: Any, text: str) -> None:
    assert number(value) == text


def test_spread_and_duration() -> None:
    assert spread({"mean": 0.5, "sd": 0.01}) == "0.5000 ± 0.0100"
    assert spread({"mean": 0.5, "sd": None}) == "0.5000"
    assert spread(None) == "–"
    assert [duration(seconds) for seconds in (3.14, 121.4, 7325)] == ["3.1 s", "2 min 01 s", "2 h 02 min"]
