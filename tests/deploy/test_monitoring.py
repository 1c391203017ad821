"""Prometheus' rules and Grafana's dashboard: every expression parses and asks for metrics that exist."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from typing import Any

import promql_parser
import pytest
import ray
import yaml

from synthgen.service.metrics import Metrics

DEPLOY = Path(__file__).parents[2] / "deploy"
RULES = yaml.safe_load((DEPLOY / "prometheus" / "alerts.yaml").read_text())["groups"][0]["rules"]
DASHBOARD = json.loads((DEPLOY / "grafana" / "dashboard.json").read_text())
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
PROMTOOL = shutil.which("promtool")
NEEDS_PROMTOOL = pytest.mark.skipif(PROMTOOL is None, reason="promtool comes with Debian's package prometheus")


def expressions() -> dict[str, str]:
    """Each by where it stands, with Grafana's variables filled in."""
    found = {rule["alert"]: rule["expr"] for rule in RULES}
    filled = {"$__rate_interval": "1m", "$job": "synthgen", "$recipe": ".*"}
    for panel in PANELS:
        for target in panel["targets"]:
            expression = re.sub(r"\$\w+", lambda match: filled[match.group()], target["expr"])
            found[f"{panel['title']} {target['refId']}"] = expression
    return found


def selectors(node: Any) -> Iterator[Any]:
    """Every vector selector below a node of promql_parser's tree."""
    if isinstance(node, promql_parser.VectorSelector):
        yield node
    for name in ("expr", "lhs", "rhs", "vector_selector", "param"):
        child = getattr(node, name, None)
        if child is not None and not isinstance(child, str):
            yield from selectors(child)
    for child in getattr(node, "args", None) or []:
        yield from selectors(child)


def known_series() -> dict[str, set[str]]:
    """Names of the service's samples with their labels, as a Prometheus would store them."""
    metrics = Metrics()
    for collector in vars(metrics).values():
        if names := getattr(collector, "_labelnames", ()):
            collector.labels(**dict.fromkeys(names, "x"))
    samples = [sample for family in metrics.registry.collect() for sample in family.samples]
    return {sample.name: set(sample.labels) | {"job", "instance"} for sample in samples}


def ray_metrics() -> set[str]:
    """Names that Ray's own dashboards ask for."""
    folder = Path(ray.__file__).parent / "dashboard" / "modules" / "metrics" / "dashboards"
    return set(re.findall(r"ray_\w+", "".join(path.read_text() for path in folder.glob("*.py"))))


@pytest.mark.parametrize("where", sorted(expressions()))
def test_an_expression_asks_for_metrics_that_exist(where):
    found = list(selectors(promql_parser.parse(expressions()[where])))
    assert found
    service, rays = known_series(), ray_metrics()
    for selector in found:
        labels = {matcher.name for matcher in selector.matchers.matchers}
        if selector.name.startswith("ray_"):
            assert selector.name in rays
        elif selector.name != "up":
            assert selector.name in service, selector.name
            assert labels <= service[selector.name]


def test_every_metric_of_the_service_is_shown():
    shown = {s.name for text in expressions().values() for s in selectors(promql_parser.parse(text))}
    for family in Metrics().registry.collect():
        assert any(name.startswith(family.name) for name in shown), family.name


def test_panels_do_not_lie_on_one_another():
    places = [panel["gridPos"] for panel in DASHBOARD["panels"]]
    for one, other in combinations(places, 2):
        apart_in_x = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        apart_in_y = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
        assert apart_in_x or apart_in_y, (one, other)
    assert all(place["x"] + place["w"] <= 24 for place in places)
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])


def test_grafana_finds_its_source_and_its_dashboard():
    sources = yaml.safe_load((DEPLOY / "grafana/provisioning/datasources/prometheus.yaml").read_text())["datasources"]
    compose = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]
    host, port = re.fullmatch(r"http://(\w+):(\d+)", sources[0]["url"]).groups()
    assert compose[host]["ports"][0].endswith(f":{port}")
    (provider,) = yaml.safe_load((DEPLOY / "grafana/provisioning/dashboards/synthgen.yaml").read_text())["providers"]
    assert any(f":{provider['options']['path']}/" in mount for mount in compose["grafana"]["volumes"])
    variables = {variable["name"] for variable in DASHBOARD["templating"]["list"]}
    used = set(re.findall(r"\$\{?(\w+)\}?", json.dumps(DASHBOARD["panels"]))) - {"__rate_interval"}
    assert used <= variables


def test_every_alert_is_explained():
    readme = (DEPLOY / "README.md").read_text()
    assert [rule["alert"] for rule in RULES if f"`{rule['alert']}`" not in readme] == []
    assert all(rule["labels"]["severity"] in {"page", "ticket"} and rule["annotations"]["summary"] for rule in RULES)


def test_targets_are_services_of_compose():
    config = yaml.safe_load((DEPLOY / "prometheus" / "prometheus.yaml").read_text())
    compose = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]
    service, nodes = config["scrape_configs"]
    assert [target.split(":")[0] in compose for target in service["static_configs"][0]["targets"]] == [True]
    assert set(nodes["dns_sd_configs"][0]["names"]) <= compose.keys()
    commands = " ".join(compose[name]["command"][0] for name in nodes["dns_sd_configs"][0]["names"])
    assert commands.count(f"--metrics-export-port={nodes['dns_sd_configs'][0]['port']}") == 2


@NEEDS_PROMTOOL
def test_prometheus_reads_its_configuration_and_rules():
    told = subprocess.run(
        [PROMTOOL, "check", "config", DEPLOY / "prometheus" / "prometheus.yaml"], capture_output=True, text=True
    )
    assert told.returncode == 0 and f"{len(RULES)} rules found" in told.stdout


@NEEDS_PROMTOOL
def test_alerts_fire_when_they_should_and_only_then():
    told = subprocess.run(
        [PROMTOOL, "test", "rules", Path(__file__).with_name("alerts.yaml")], capture_output=True, text=True
    )
    assert told.returncode == 0, told.stdout + told.stderr
