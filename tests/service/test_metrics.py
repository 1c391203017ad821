from __future__ import annotations

from prometheus_client.parser import text_string_to_metric_families

from synthgen.service.metrics import Metrics


def read(metrics: Metrics) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """Samples by name and labels, as a Prometheus would read them."""
    families = text_string_to_metric_families(metrics.render().decode())
    return {(s.name, tuple(sorted(s.labels.items()))): s.value for family in families for s in family.samples}


def test_what_is_counted_is_what_prometheus_reads():
    metrics = Metrics()
    metrics.requests.labels(route="/v1/generate", status="200").inc()
    metrics.count_rows("cells", 60, {"agreement": 4, "copies": 0})
    metrics.count_rows("cells", 3, {"agreement": 1})
    metrics.queue_length.set(7)
    metrics.batch_rows.observe(64)
    samples = read(metrics)
    assert samples["synthgen_requests_total", (("route", "/v1/generate"), ("status", "200"))] == 1
    assert samples["synthgen_rows_total", (("recipe", "cells"),)] == 63
    assert samples["synthgen_rejected_total", (("gate", "agreement"), ("recipe", "cells"))] == 5
    assert ("synthgen_rejected_total", (("gate", "copies"), ("recipe", "cells"))) not in samples
    assert samples["synthgen_queue_length", ()] == 7
    assert samples["synthgen_batch_rows_bucket", (("le", "64.0"),)] == 1
    assert samples["synthgen_batch_rows_bucket", (("le", "32.0"),)] == 0


def test_a_stage_is_timed_in_seconds():
    metrics = Metrics()
    with metrics.stage_seconds.labels(stage="sample").time():
        pass
    samples = read(metrics)
    assert samples["synthgen_stage_seconds_count", (("stage", "sample"),)] == 1
    assert 0 <= samples["synthgen_stage_seconds_sum", (("stage", "sample"),)] < 1


def test_a_state_without_jobs_is_zero_and_not_what_it_was():
    metrics = Metrics()
    metrics.set_jobs({"queued": 2, "running": 1})
    metrics.set_jobs({"running": 3})
    samples = read(metrics)
    assert samples["synthgen_jobs", (("state", "running"),)] == 3
    assert samples["synthgen_jobs", (("state", "queued"),)] == 0
    assert samples["synthgen_jobs", (("state", "failed"),)] == 0


def test_two_applications_do_not_count_into_each_other():
    one, other = Metrics(), Metrics()
    one.queue_length.set(5)
    assert read(other)["synthgen_queue_length", ()] == 0
