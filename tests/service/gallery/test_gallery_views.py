"""Each kind of row as a person wants to see it, in a real Chromium; light, dark, on a phone, and without violations."""

from __future__ import annotations

import base64
import io
from typing import Any

import numpy as np
import pytest
from little_runs import RECIPES, make_strange_run
from patience import until
from PIL import Image

pytestmark = pytest.mark.slow
PHONE = (375, 760)


@pytest.fixture
def show(serve, visit, folders):
    """A run of a task, once its first rows are there."""
    base: list[str] = []

    def call(task: str, path: str = "run/recipe%3A{}", **settings: Any) -> Any:
        if not base:
            base.append(serve(folders)[1])
        page = visit(base[0], "#/" + path.format(task), **settings)
        if path.startswith("run/"):
            page.locator(".tile").first.wait_for()
        return page

    return call


def pixels(page: Any, place: str = ".tile canvas") -> np.ndarray:
    """uint8 (H, W, 4) of the first canvas at that place."""
    until(page, f"document.querySelector('{place}')")
    address = page.locator(place).first.evaluate("(canvas) => canvas.toDataURL()")
    data = base64.b64decode(address.partition(",")[2])
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGBA"))


def same(one: np.ndarray, other: np.ndarray) -> bool:
    return one.shape == other.shape and bool((one == other).all())


def settled(page: Any) -> np.ndarray:
    """The first picture once it no longer changes."""
    before = pixels(page)
    for _ in range(40):
        page.wait_for_timeout(150)
        now = pixels(page)
        if same(before, now) and now[..., 3].any():
            return now
        before = now
    raise AssertionError("the picture never comes to rest")


def check(page: Any) -> None:
    from axe_playwright_python.sync_playwright import Axe

    found = Axe().run(page).response["violations"]
    assert not found, [(one["id"], [node["html"][:200] for node in one["nodes"]][:3]) for one in found]


@pytest.mark.parametrize("task", sorted(RECIPES))
def test_no_violations_and_no_sideways_scrolling(show, task):
    for settings in ({"color_scheme": "light"}, {"color_scheme": "dark", "size": PHONE}):
        page = show(task, reduced_motion="reduce", **settings)
        check(page)
        page.locator("button.open").nth(1).click()
        page.get_by_role("dialog").locator(".remake").wait_for()
        page.locator("dialog .nearest .caption").wait_for()
        check(page)
        wide = page.evaluate(
            "[document.documentElement.scrollWidth, document.querySelector('dialog .sheet').scrollWidth]"
        )
        assert max(wide) <= page.viewport_size["width"]


@pytest.mark.parametrize("path", ["", "jobs", "runs", "recipe/{}"])
def test_the_other_pages_have_no_violations(show, path):
    for settings in ({"color_scheme": "dark"}, {"color_scheme": "light", "size": PHONE}):
        page = show("classification", path, **settings)
        page.locator("h1").wait_for()
        if path.startswith("recipe"):
            page.get_by_label("class mix").select_option("weights")
            page.get_by_role("button", name="Make rows now").click()
            page.locator("p.status", has_text="Seed").wait_for()
        check(page)
        assert page.evaluate("document.documentElement.scrollWidth") <= page.viewport_size["width"]


def test_the_mask_is_more_or_less_opaque_and_classes_go(show):
    page = show("segmentation")
    usual = settled(page)
    page.get_by_label("Mask opacity").fill("0")
    bare = settled(page)
    assert not same(usual, bare)
    page.get_by_label("Mask opacity").fill("1")
    full = settled(page)
    assert not same(full, usual)
    for box in page.locator(".toggles input").all():
        box.uncheck()
    assert same(settled(page), bare)


def test_channels_of_series_go_and_come(show):
    page = show("timeseries")
    lines = page.locator(".tile").first.locator("path.line")
    assert lines.count() == 6
    page.get_by_label("channel 2").uncheck()
    until(page, "document.querySelectorAll('.tile')[0].querySelectorAll('path.line').length === 5")
    page.get_by_label("channel 2").check()
    until(page, "document.querySelectorAll('.tile')[0].querySelectorAll('path.line').length === 6")
    page.locator("button.open").first.click()
    page.get_by_role("dialog").get_by_text("9.9 s").first.wait_for()


def test_points_turn_unless_motion_is_unwelcome(show):
    page = show("shapes3d")
    first = pixels(page)
    until(page, "document.querySelector('.controls input').checked")
    page.wait_for_timeout(500)
    assert not same(pixels(page), first)
    page.get_by_label("Turn", exact=True).uncheck()
    settled(page)
    still = show("shapes3d", reduced_motion="reduce")
    settled(still)
    assert not still.get_by_label("Turn", exact=True).is_checked()


def test_an_opened_shape_is_turned_by_hand_and_has_a_mesh(show):
    page = show("shapes3d", reduced_motion="reduce")
    page.locator("button.open").first.click()
    place = "dialog .made canvas"
    page.get_by_role("button", name="Show the mesh").wait_for()
    before = pixels(page, place)
    page.locator(place).focus()
    page.keyboard.press("ArrowLeft")
    turned = pixels(page, place)
    assert not same(turned, before) and page.get_by_role("dialog", name="Row 0").is_visible()
    box = page.locator(place).bounding_box()
    page.mouse.move(box["x"] + 100, box["y"] + 100)
    page.mouse.down()
    page.mouse.move(box["x"] + 180, box["y"] + 120, steps=4)
    page.mouse.up()
    assert not same(pixels(page, place), turned)
    dragged = pixels(page, place)
    page.get_by_role("button", name="Show the mesh").click()
    page.locator("dialog button[aria-pressed=true]").wait_for()
    mesh = pixels(page, place)
    assert not same(mesh, dragged) and (mesh[..., 3] > 0).mean() > 0.02


def test_the_answer_is_marked_in_its_passage(show):
    page = show("qa")
    rows = page.evaluate("fetch('/v1/runs/recipe:qa/rows').then((answer) => answer.json())")["rows"]
    for row in rows[:10]:
        tile = page.locator(".tile").nth(row["index"])
        wanted = row["row"]["answers"]["text"]
        assert tile.locator(".passage mark").all_text_contents() == wanted
        assert tile.locator(".answer").text_content() == (wanted[0] if wanted else "the passage does not tell")


def test_both_sides_of_a_pair_are_in_their_language(show):
    page = show("translation")
    first = page.locator(".tile .pair").first
    assert [one.get_attribute("lang") for one in first.locator("dd bdi").all()] == ["en", "de"]
    boxes = [one.bounding_box() for one in first.locator("dd").all()]
    assert boxes[0]["y"] == boxes[1]["y"] and boxes[0]["x"] < boxes[1]["x"]


def test_turns_are_bubbles_with_intents_and_slots(show):
    page = show("conversation")
    row = page.evaluate("fetch('/v1/runs/recipe:conversation/rows').then((answer) => answer.json())")["rows"][0]["row"]
    page.locator("button.open").first.click()
    dialog = page.get_by_role("dialog")
    dialog.locator(".remake").wait_for()
    turns = dialog.locator(".made .turn")
    assert turns.count() == len(row["messages"])
    assert dialog.locator(".made .intent").all_text_contents() == [intent for intent in row["intents"] if intent]
    mine, theirs = (dialog.locator(f".made .{side} .bubble").first.bounding_box() for side in ("mine", "theirs"))
    assert mine["x"] + mine["width"] > theirs["x"] + theirs["width"]
    marked = dialog.locator(".made mark .slot").all_text_contents()
    assert sorted(marked) == sorted(slot["name"] for slot in row["slots"])


def test_any_other_row_is_shown_by_its_columns(serve, visit, tmp_path):
    _, base = serve({"music": make_strange_run(tmp_path / "music")})
    page = visit(
        base, "#/run/recipe%3Amusic", size=PHONE, quiet=False
    )  # the browser notes that there is no nearest row
    first = page.locator(".tile .fields").first
    first.get_by_text("<b>c d e 0</b>").wait_for()
    assert first.locator("dt").all_text_contents()[:4] == ["melody", "spectrum", "tempo", "mood"]
    assert first.get_by_text("300 numbers").is_visible() and first.get_by_text("calm").is_visible()
    page.locator("button.open").first.click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_text("town: Bern; height: 540.25").wait_for()
    for text in ("loud, old", str(2**63 - 1)):
        dialog.get_by_text(text).wait_for()
    dialog.get_by_text("the real rows are not known").wait_for()
    check(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE[0]
