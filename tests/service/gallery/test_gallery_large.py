"""A run of 100,000 rows: it is opened, leafed through and filtered without waiting."""

from __future__ import annotations

import time
import tracemalloc
from pathlib import Path

import pytest
from little_runs import make_run

from synthgen.service.gallery.browse import open_run
from synthgen.service.gallery.index import Wanted

pytestmark = pytest.mark.slow
ROWS = 100_000
PAGE_BYTES = 1_500_000
PAINT = "new Promise((resolve) => new PerformanceObserver((list) => resolve(list.getEntries()[0].startTime))\
.observe({type: 'paint', buffered: true}))"


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_run("segmentation", tmp_path_factory.mktemp("runs") / "large", kept=80_000, rejected=20_000)


def test_it_is_open_soon_and_small_in_memory(large):
    open_run(large, "recipe:large")  # the first reading of the files is the disk's
    tracemalloc.start()
    began = time.perf_counter()
    run = open_run(large, "recipe:large")
    opened = time.perf_counter() - began
    held = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    index = run.index
    arrays = sum(values.nbytes for values in (index.number, index.file, index.row, index.gate, index.owner, index.held))
    assert len(index.number) == ROWS and opened < 3 and held < 30 * 2**20 and arrays < 20 * 2**20
    slowest = 0.0
    for wanted in (Wanted(), Wanted(kept="rejected"), Wanted(label=index.classes[2], score="agreement", at_least=0.9)):
        for after in (None, 50_000, 99_000):
            began = time.perf_counter()
            assert run.page(wanted, after=after)["rows"]
            slowest = max(slowest, time.perf_counter() - began)
    assert slowest < 1.5


def test_it_is_painted_soon_and_the_first_page_is_small(large, serve, visit):
    _, base = serve({"large": large})
    visit(base, "#/run/recipe%3Alarge").locator(".tile").first.wait_for()  # the index is read once
    page = visit(base, "")
    page.goto("about:blank")
    sizes: list[int] = []
    page.on(
        "requestfinished",
        lambda asked: sizes.append(sum(asked.sizes()[part] for part in ("responseBodySize", "responseHeadersSize"))),
    )
    began = time.perf_counter()
    page.goto(f"{base}/#/run/recipe%3Alarge")
    page.locator(".tile").nth(47).wait_for(state="attached")
    rows = time.perf_counter() - began
    paint = page.evaluate(PAINT)
    page.wait_for_load_state("networkidle")
    assert page.locator("p.status").text_content() == "Rows 1 to 48 of 100,000"
    print(f"first paint {paint:.0f} ms, rows {1000 * rows:.0f} ms, {sum(sizes):,} bytes in {len(sizes)} answers")
    assert paint < 1000 and rows < 5 and 100_000 < sum(sizes) <= PAGE_BYTES
