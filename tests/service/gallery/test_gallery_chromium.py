"""The page in a real Chromium: rows are made, filtered, opened and cancelled as a person does it."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from little_runs import make_run
from patience import until

pytestmark = pytest.mark.slow
RUN = "#/run/recipe%3Adigits"
EVIL = "<script>window.hit = 1</script><img src=x onerror='window.hit = 1'>\u202e"


@pytest.fixture
def open_digits(serve: Callable[..., Any], visit: Callable[..., Any], digits: Any) -> Callable[..., Any]:
    def call(path: str = RUN, settings: dict[str, Any] | None = None, **more: Any) -> tuple[Any, Any]:
        little, base = serve({"digits": digits}, **(settings or {}))
        return little, visit(base, path, **more)

    return call


def numbers(page: Any) -> list[int]:
    """The rows that are shown."""
    page.wait_for_selector(".grid .tile")
    return [int(text) for text in page.locator(".tile .number").all_text_contents()]


def status(page: Any, text: str) -> None:
    page.locator("p.status", has_text=re.compile(text)).wait_for()


def test_rows_are_made_from_a_form(open_digits):
    little, page = open_digits("#/recipe/digits")
    page.get_by_label("rows", exact=True).fill("20")
    page.get_by_label("seed").fill("7")
    page.get_by_label("guidance").fill("1.5")
    page.get_by_label("class mix").select_option("weights")
    page.get_by_label("0", exact=True).fill("3")
    for name in "23456789":
        page.get_by_label(name, exact=True).fill("0")
    page.get_by_role("button", name="Make rows now").click()
    status(page, "20 rows of 23 candidates; rejected: 3 by agreement. Seed 7.")
    assert len(numbers(page)) == 20
    assert little.asked == [
        {
            "recipe": "digits", "count": 20, "seed": 7, "format": "json",
            "conditions": {"balance": {"0": 3, "1": 1}}, "sample": {"guidance": 1.5},
        }
    ]  # fmt: skip
    page.get_by_role("button", name="Open row 2,").click()
    dialog = page.get_by_role("dialog")
    assert "curl" in dialog.locator("code").text_content() and '"seed":7' in dialog.locator("code").text_content()
    page.keyboard.press("Escape")
    dialog.wait_for(state="detached")


def test_rows_appear_as_they_are_made_and_can_be_stopped(open_digits):
    _, page = open_digits("#/recipe/digits", {"pause": 0.15})
    page.get_by_label("rows", exact=True).fill("60")
    page.get_by_role("button", name="Make rows now").click()
    page.locator(".tile").nth(3).wait_for()
    assert len(numbers(page)) < 40
    page.get_by_role("button", name="Stop").click()
    status(page, "Stopped after [0-9]+ rows")
    count = len(numbers(page))
    page.wait_for_timeout(600)
    assert len(numbers(page)) == count < 60 and page.get_by_role("button", name="Make rows now").is_enabled()


def test_a_refusal_is_told_beside_the_form(open_digits):
    _, page = open_digits("#/recipe/digits", quiet=False)
    page.get_by_label("guidance").fill("13")
    page.get_by_role("button", name="Make rows now").click()
    page.get_by_role("alert").get_by_text("use 12").wait_for()
    page.get_by_label("guidance").fill("")
    page.get_by_label("rows", exact=True).fill("65")
    page.get_by_role("button", name="Make rows now").click()
    page.get_by_text("at most 64 at once").wait_for()


def test_an_answer_that_is_cut_is_told(open_digits):
    _, page = open_digits("#/recipe/digits", {"cut": True})
    page.get_by_role("button", name="Make rows now").click()
    page.get_by_role("alert").get_by_text("ended after 16 rows").wait_for()
    assert len(numbers(page)) == 16


def test_filters_narrow_and_stand_in_the_address(open_digits, visit):
    _, page = open_digits()
    status(page, "Rows 1 to 48 of 150")
    page.get_by_label("Class").select_option("3")
    until(page, "[...document.querySelectorAll('.tile .label')].every((label) => label.textContent === '3')")
    assert len(numbers(page)) > 8
    page.get_by_label("Kept or rejected").select_option("gate=agreement")
    page.locator(".tile .badge").first.wait_for()
    until(page, "[...document.querySelectorAll('.tile')].every((tile) => tile.querySelector('.badge'))")
    assert set(page.locator(".tile .badge").all_text_contents()) == {"agreement"}
    assert "label=3" in page.url and "gate=agreement" in page.url
    page.get_by_label("Gate score").select_option("agreement")
    page.get_by_label("at least").fill("2")
    status(page, "No rows fit")
    shown, base = page.url, page.url.partition("#")[0].rstrip("/")
    again = visit(base, "#" + shown.partition("#")[2])
    status(again, "No rows fit")
    assert again.get_by_label("Class").input_value() == "3" and again.get_by_label("at least").input_value() == "2"
    again.get_by_role("button", name="Clear").click()
    status(again, "Rows 1 to 48 of 150")


def test_a_score_range_keeps_only_what_lies_in_it(open_digits):
    _, page = open_digits(RUN + "?score=agreement&at_least=0.4&at_most=0.6")
    status(page, "Rows 1 to")
    asked = page.evaluate("fetch('/v1/runs/recipe:digits/rows?limit=200').then((answer) => answer.json())")
    wanted = [row["index"] for row in asked["rows"] if 0.4 <= row["scores"]["agreement"] <= 0.6]
    assert numbers(page) == wanted[:48] and wanted


def test_pages_lead_on_and_back(open_digits):
    _, page = open_digits()
    assert numbers(page) == list(range(48))
    page.get_by_role("link", name="Next page").click()
    status(page, "Rows 49 to 96 of 150")
    assert numbers(page) == list(range(48, 96))
    page.get_by_role("link", name="Previous page").click()
    status(page, "Rows 1 to 48 of 150")
    page.go_back()
    status(page, "Rows 49 to 96 of 150")


def test_a_row_tells_everything_and_gives_the_focus_back(open_digits):
    _, page = open_digits()
    numbers(page)
    page.locator("button.open").first.focus()
    for key in ("ArrowRight", "ArrowRight", "ArrowDown", "ArrowLeft"):
        page.keyboard.press(key)
    wide = page.evaluate("getComputedStyle(document.querySelector('.grid')).gridTemplateColumns.split(' ').length")
    number = 1 + wide
    assert page.evaluate("document.activeElement.dataset.row") == str(number)
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog", name=f"Row {number}")
    dialog.get_by_text(f"synthgen regenerate digits {number}").wait_for()
    dialog.get_by_text(f"training row {number}").wait_for()
    assert dialog.locator(".scores tr").count() == 2 and "at distance 0" in dialog.locator("h3").text_content()
    assert f"row={number}" in page.url
    page.keyboard.press("ArrowRight")
    page.get_by_role("dialog", name=f"Row {number + 1}").wait_for()
    page.keyboard.press("Escape")
    page.get_by_role("dialog").wait_for(state="detached")
    until(page, f"document.activeElement.dataset.row === '{number + 1}'")
    assert "row=" not in page.url


def test_a_row_can_be_linked_to(open_digits):
    _, page = open_digits(RUN + "?kept=rejected&row=9")
    dialog = page.get_by_role("dialog", name="Row 9")
    dialog.get_by_text("rejected: duplicates").wait_for()
    assert dialog.get_by_text("refused by duplicates").is_visible()


def test_a_job_goes_on_and_can_be_cancelled(open_digits):
    little, page = open_digits("#/recipe/digits", {"job_seconds": 60})
    page.get_by_label("rows", exact=True).fill("500")
    page.get_by_label("solver").select_option("heun")
    page.get_by_role("button", name="Start a job").click()
    job = page.locator("li.job")
    job.get_by_text("running").wait_for()
    job.get_by_text("left").wait_for()
    assert float(job.locator("progress").get_attribute("value") or 0) < 1
    assert [(one["count"], one["overrides"]) for one in little.jobs.values()] == [(500, {"sample.solver": "heun"})]
    job.get_by_role("button", name="Cancel").click()
    job.get_by_text("cancelled").wait_for()
    assert not job.get_by_role("button").count() and not job.locator("progress").is_visible()


def test_a_finished_job_is_browsed(open_digits):
    _, page = open_digits("#/recipe/digits", {"job_seconds": 0.5})
    page.get_by_role("button", name="Start a job").click()
    page.get_by_role("link", name="Browse its rows").click()
    status(page, "Rows 1 to 48 of 150")
    assert "#/run/job" in page.url


def test_a_row_whose_text_is_a_script_stays_a_text(serve, visit, tmp_path):
    change = {"question": EVIL, "context": f"{EVIL} said Bern.", "title": EVIL, "id": EVIL,
              "answers": {"text": ["Bern"], "answer_start": [len(EVIL) + 6]}}  # fmt: skip
    folder = make_run("qa", tmp_path / "qa", kept=4, rejected=1, change=change)
    _, base = serve({EVIL[:10] + "x": folder, "qa": folder})
    page = visit(base, "#/run/recipe%3Aqa")
    page.locator(".asked", has_text="<script>window.hit = 1</script>").wait_for()
    assert page.locator(".tile mark").first.text_content() == "Bern"
    page.get_by_role("button", name="Open row 0").click()
    page.get_by_role("dialog").locator(".facts dd", has_text="<script>").first.wait_for()
    page.locator("dialog .nearest .caption").wait_for()
    page.goto(base + "/#/recipe/qa")
    page.get_by_role("button", name="Make rows now").click()
    page.locator(".asked", has_text="<img src=x").first.wait_for()
    page.goto(base + "/#/")
    page.get_by_role("heading", name="<script>", exact=False).wait_for()
    assert page.evaluate("[window.hit, document.querySelectorAll('main script, main img[src=x]').length]") == [None, 0]
    assert "\\u202e" in visit(base, "#/run/recipe%3Aqa").locator(".asked .escape").first.text_content()


def test_a_key_is_asked_for_and_kept_in_the_tab(open_digits):
    _, page = open_digits(settings={"key": "right"}, quiet=False)  # Chromium writes each 401 down
    page.get_by_role("textbox", name="Key").fill("wrong")
    page.get_by_role("button", name="Use this key").click()
    page.get_by_role("textbox", name="Key").fill("right")
    page.get_by_role("button", name="Use this key").click()
    assert numbers(page) == list(range(48))
    until(page, "[...document.querySelectorAll('.tile img')].every((image) => image.naturalWidth === 8)")
    assert page.locator(".tile img").first.get_attribute("src").startswith("blob:")
    assert page.evaluate("[sessionStorage.length, localStorage.length, document.cookie]") == [1, 0, ""]
    page.reload()
    assert numbers(page) == list(range(48))
    page.get_by_role("button", name="Forget key").click()
    page.get_by_role("textbox", name="Key").wait_for()
    assert page.evaluate("sessionStorage.length") == 0


def test_what_is_not_there_is_said(open_digits):
    _, page = open_digits("#/run/recipe%3Anothing", quiet=False)
    page.get_by_text("there is no such run").wait_for()
    page.goto(page.url.partition("#")[0] + "#/nowhere")
    page.get_by_text("There is no such page").wait_for()
    page.goto(page.url.partition("#")[0] + RUN + "?label=cow")
    page.get_by_text("label: 'cow' is not one").wait_for()
