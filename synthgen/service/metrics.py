"""What the service counts and times, in Prometheus' text format.

One `Metrics` belongs to one application: it has a registry of its own, so that two applications in one process, as in
tests, do not count into each other. It knows nothing of HTTP or of jobs; whoever handles them says what happened.

    metrics = Metrics()
    metrics.requests.labels(route="/v1/generate", status="200").inc()
    with metrics.stage_seconds.labels(stage="sample").time():
        ...
    body = metrics.render()      # for GET /metrics, with the type CONTENT_TYPE
"""

from __future__ import annotations

from collections.abc import Mapping

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, generate_latest

CONTENT_TYPE = CONTENT_TYPE_LATEST
JOB_STATES = ("queued", "running", "done", "failed", "cancelled")
BATCH_ROWS = tuple(float(2**power) for power in range(13))  # 1 to 4096 rows
STAGE_SECONDS = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0)
REQUEST_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0)


class Metrics:
    """The collectors. Labels are few and bounded: routes are templates, never the path that was asked for."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "synthgen_requests_total", "Requests answered", ["route", "status"], registry=self.registry
        )
        self.request_seconds = Histogram(
            "synthgen_request_seconds",
            "Seconds from a request's head to the last byte of its answer",
            ["route"],
            buckets=REQUEST_SECONDS,
            registry=self.registry,
        )
        self.rows = Counter("synthgen_rows_total", "Rows that passed every gate", ["recipe"], registry=self.registry)
        self.rejected = Counter(
            "synthgen_rejected_total", "Rows that a gate refused", ["recipe", "gate"], registry=self.registry
        )
        self.queue_length = Gauge(
            "synthgen_queue_length", "Requests for rows that are under way or wait", registry=self.registry
        )
        self.batch_rows = Histogram(
            "synthgen_batch_rows",
            "Rows in one batch on the device, of one request or of several",
            buckets=BATCH_ROWS,
            registry=self.registry,
        )
        self.stage_seconds = Histogram(
            "synthgen_stage_seconds",
            "Seconds that a stage took for one batch or one shard",
            ["stage"],
            buckets=STAGE_SECONDS,
            registry=self.registry,
        )
        self.jobs = Gauge("synthgen_jobs", "Jobs by their state", ["state"], registry=self.registry)

    def count_rows(self, recipe: str, kept: int, rejected: Mapping[str, int]) -> None:
        """Rows of one batch: how many were kept, and how many each gate refused (0 is not a refusal)."""
        self.rows.labels(recipe=recipe).inc(kept)
        for gate, count in rejected.items():
            if count:
                self.rejected.labels(recipe=recipe, gate=gate).inc(count)

    def set_jobs(self, counts: Mapping[str, int]) -> None:
        """Jobs by state as the store counts them; a state that it does not name has none."""
        for state in JOB_STATES:
            self.jobs.labels(state=state).set(counts.get(state, 0))

    def render(self) -> bytes:
        """All of them in Prometheus' text format, in UTF-8."""
        return generate_latest(self.registry)
