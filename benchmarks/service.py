"""The HTTP service: what batching gives, what HTTP costs, and ten times as many requests as it can answer.

The digits are trained once; then `synthgen serve` serves them, on Ray with one replica of two threads.

    python benchmarks/service.py
"""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import subprocess
import time
from argparse import Namespace
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import linear_regression, median, quantiles, stdev
from typing import Any

import httpx
import psutil
from _record import command_line, environment, judge, make_run, synthgen, write

from synthgen.pipeline import name_run
from synthgen.recipe import load
from synthgen.sampling.engine import Wish
from synthgen.sampling.serve import RayOptions, connect

ROUNDS, CALLS = 9, 200
CLIENTS, EACH = 16, 4
MINUTES, LOAD, LARGE = 5.0, 10.0, 512  # of overload; times the capacity; rows of its requests
NAME = "classification"


@contextmanager
def serving(run: Path) -> Iterator[tuple[str, psutil.Process]]:
    """URL and process of a service of that run, ready."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    state, log = run.parent / "service-state", (run.parent / "service.log").open("w")
    words = ["serve", str(run), "--port", str(port), "--state", str(state), "--threads-per-replica", "2"]
    process = subprocess.Popen(synthgen(*words), stdout=log, stderr=log, env=environment())
    url = f"http://127.0.0.1:{port}"
    try:
        while True:
            assert process.poll() is None, f"the service ended; see {log.name}"
            try:
                if httpx.get(f"{url}/readyz", timeout=10).status_code == 200:
                    break
            except httpx.TransportError:
                pass
            time.sleep(0.5)
        yield url, psutil.Process(process.pid)
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(90)


def body(count: int, seed: int) -> dict[str, Any]:
    return {"recipe": NAME, "count": count, "seed": seed}


async def batching(url: str) -> tuple[list[float], list[float]]:
    """Rows per second of one client that asks for 64, and of 16 that ask for 4 each, in turn."""
    alone, together = [], []
    async with httpx.AsyncClient(base_url=url, timeout=120, limits=httpx.Limits(max_connections=None)) as client:

        async def ask(count: int, seed: int) -> None:
            answer = await client.post("/v1/generate", json=body(count, seed))
            assert answer.status_code == 200, answer.text

        await asyncio.gather(*(ask(EACH, seed) for seed in range(CLIENTS)))
        for turn in range(ROUNDS):
            began = time.perf_counter()
            for part in range(4):
                await ask(CLIENTS * EACH, 1000 * turn + part)
            alone.append(4 * CLIENTS * EACH / (time.perf_counter() - began))
            began = time.perf_counter()
            for part in range(4):
                await asyncio.gather(*(ask(EACH, 1000 * turn + 16 * part + seed) for seed in range(CLIENTS)))
            together.append(4 * CLIENTS * EACH / (time.perf_counter() - began))
    return alone, together


def overhead(url: str, run: Path) -> tuple[list[float], list[float]]:
    """Milliseconds of one row over HTTP, and of the same wish through the handle of the replicas."""
    connect(RayOptions(address="auto"))
    import ray
    from ray import serve

    handle: Any = serve.get_deployment_handle("ModelServer", app_name="synthgen")
    what = name_run(load(str(run / "dataset" / "recipe.yaml")), run)
    over, direct = [], []
    with httpx.Client(base_url=url) as client:
        for seed in range(CALLS):
            began = time.perf_counter()
            line = client.post("/v1/generate", json=body(1, seed)).text.splitlines()[-1]
            over.append(1000 * (time.perf_counter() - began))
            candidates = json.loads(line)["candidates"]
            began = time.perf_counter()
            handle.make_rows.remote(what, Wish(seed, 0, candidates)).result()
            direct.append(1000 * (time.perf_counter() - began))
    ray.shutdown()  # Ray ends a process whose cluster ends before it
    return over, direct


async def overload(url: str, process: psutil.Process, minutes: float) -> dict[str, Any]:
    """Requests at ten times the rate that was answered, whatever comes back, and what /healthz says meanwhile."""
    found: Counter[str] = Counter()
    healthy: list[float] = []
    memory: list[tuple[float, float]] = []
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=200)
    async with httpx.AsyncClient(base_url=url, timeout=600, limits=limits) as client:

        async def ask(seed: int) -> None:
            try:
                answer = await client.post("/v1/generate", json=body(LARGE, seed))
                found[str(answer.status_code)] += 1
            except httpx.HTTPError as error:
                found[type(error).__name__] += 1

        began = time.perf_counter()
        for seed in range(4):
            await ask(seed)
        rate = LOAD * 4 / (time.perf_counter() - began)
        found.clear()
        tasks: set[asyncio.Task[None]] = set()
        began = time.perf_counter()
        sent, looked = 0, 0.0
        while (now := time.perf_counter() - began) < 60 * minutes:
            while sent < now * rate:
                task = asyncio.ensure_future(ask(sent))
                tasks.add(task)
                task.add_done_callback(tasks.discard)
                sent += 1
            if now - looked > 1:
                looked = now
                at = time.perf_counter()
                assert (await client.get("/healthz")).status_code == 200
                healthy.append(time.perf_counter() - at)
                memory.append((now / 60, await asyncio.to_thread(resident, process)))
            await asyncio.sleep(0.005)
        await asyncio.gather(*tasks)
    settled = [point for point in memory if point[0] > minutes / 5]
    slope = linear_regression(*zip(*settled, strict=True)).slope
    return {
        "rate": rate, "sent": sent, "answers": dict(found), "healthz_p99": quantiles(healthy, n=100)[-1],
        "megabytes_per_minute": slope, "megabytes": median(value for _, value in settled),
    }  # fmt: skip


def resident(process: psutil.Process) -> float:
    """Megabytes of the service and all that it started."""
    total = 0
    for one in [process, *process.children(recursive=True)]:
        try:
            total += one.memory_info().rss
        except psutil.Error:
            continue
    return total / 1e6


def main() -> None:
    parser = command_line("service", __doc__)
    parser.add_argument("--minutes", type=float, default=MINUTES, help="of overload")
    options = parser.parse_args()
    run = make_run("service", NAME, Namespace(**vars(options)), "count=500", "train.seconds=20",
                   "evaluate.seeds=1", "evaluate.gates=false", "evaluate.baseline=false").folder.absolute()  # fmt: skip
    with serving(run) as (url, process):
        alone, together = asyncio.run(batching(url))
        over, direct = overhead(url, run)
        pressed = asyncio.run(overload(url, process, options.minutes))
    ratios = [b / a for a, b in zip(alone, together, strict=True)]
    gap = median(over) - median(direct)
    wrong = sum(count for told, count in pressed["answers"].items() if told not in ("200", "429"))
    all_ended = sum(pressed["answers"].values()) == pressed["sent"]
    measures = [
        judge("service.batching", median(ratios), stdev(ratios), "rounds"),
        judge("service.overhead", gap, note=f"{median(over):.1f} over HTTP, {median(direct):.1f} through the handle"),
        judge(
            "service.health", pressed["healthz_p99"], only=not wrong and all_ended,
            note=f"{pressed['rate']:.0f} requests/s: " + ", ".join(f"{n} × {k}" for k, n in pressed["answers"].items()),
        ),
        judge("service.memory", pressed["megabytes_per_minute"], note=f"of {pressed['megabytes']:.0f} MB"),
    ]  # fmt: skip
    details = {
        "rows_per_second": {"one": alone, "sixteen": together},
        "milliseconds": {"http": over, "handle": direct},
        "overload": pressed,
    }
    write("service", measures, options, details)


if __name__ == "__main__":
    main()
