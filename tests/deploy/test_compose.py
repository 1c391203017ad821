"""deploy/compose.yaml and compose.gpu.yaml, as Docker Compose would read them: variables filled in, files merged."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml
from compose_spec import PyCompose
from dockerfile_stages import STAGES
from ray.scripts.scripts import start as ray_start
from ray.serve.scripts import run as serve_run

DEPLOY = Path(__file__).parents[2] / "deploy"
EXAMPLE = dict(line.split("=", 1) for line in (DEPLOY / "env.example").read_text().splitlines() if line[:1].isalpha())


def fill_in(text: str, variables: dict[str, str]) -> str:
    """`${NAME:-default}` and `${NAME:?message}`; a KeyError where a value is required and missing."""

    def choose(match: re.Match[str]) -> str:
        name, operator, other = match.groups()
        if not variables.get(name) and operator != ":-":
            raise KeyError(name)
        return variables.get(name) or other

    return re.sub(r"\$\{(\w+)(:[-?])?([^}]*)\}", choose, text)


def read(name: str) -> dict[str, Any]:
    return yaml.safe_load(fill_in((DEPLOY / name).read_text(), dict.fromkeys(EXAMPLE, "secret")))


@pytest.mark.parametrize("name", ["compose.yaml", "compose.gpu.yaml"])
def test_it_follows_the_compose_specification(name):
    compose = read(name)
    parsed = PyCompose.from_yaml(yaml.safe_dump(compose))
    parsed.validate()
    assert sorted(parsed.service_names()) == sorted(compose["services"])


def test_the_specification_is_checked_for_unknown_keys():
    compose = read("compose.yaml")
    compose["services"]["head"]["comand"] = []
    with pytest.raises(ValueError, match="comand"):
        PyCompose.from_yaml(yaml.safe_dump(compose))


@pytest.mark.parametrize("missing", sorted(EXAMPLE))
def test_no_secret_has_a_default(missing):
    with pytest.raises(KeyError, match=missing):
        fill_in((DEPLOY / "compose.yaml").read_text(), {name: "secret" for name in EXAMPLE if name != missing})


def test_only_the_loopback_address_is_published():
    published = {name: service.get("ports", []) for name, service in read("compose.yaml")["services"].items()}
    assert published["head"] == ["127.0.0.1:8000:8000"]
    assert published["worker"] == published["postgres"] == []
    assert all(port.startswith("127.0.0.1:") for ports in published.values() for port in ports)


def test_what_it_mounts_and_builds_is_there():
    compose, gpu = read("compose.yaml"), read("compose.gpu.yaml")
    files = [compose["configs"]["serve"]["file"], gpu["configs"]["serve"]["file"]]
    files += [
        mount.split(":")[0] for s in compose["services"].values() for mount in s.get("volumes", []) if mount[0] == "."
    ]
    assert len(files) >= 5
    assert [name for name in files if not (DEPLOY / name).exists()] == []
    named = {
        mount.split(":")[0] for s in compose["services"].values() for mount in s.get("volumes", []) if mount[0] != "."
    }
    assert named == set(compose["volumes"])
    for build in (compose["services"]["head"]["build"], gpu["services"]["head"]["build"]):
        assert (DEPLOY / build["context"] / build["dockerfile"]).is_file() and build["target"] in STAGES


def commands(name: str) -> list[list[str]]:
    (line,) = read("compose.yaml")["services"][name]["command"]
    return [shlex.split(part.replace("exec ", "")) for part in line.split("&&")]


@pytest.mark.parametrize(("service", "head"), [("head", True), ("worker", False)])
def test_ray_and_serve_know_the_options(service, head):
    begin, *then = commands(service)
    assert begin[:2] == ["ray", "start"]
    options = ray_start.make_context("start", begin[2:]).params
    assert options["head"] is head and options["metrics_export_port"] == 8080
    assert (options["port"] or options["address"]) in {6379, "6379", "head:6379"}
    for command in then:
        assert command[:2] == ["serve", "run"]
        told = serve_run.make_context("run", command[2:]).params
        assert told["config_or_import_path"] == read("compose.yaml")["services"]["head"]["configs"][0]["target"]
        assert told["address"] == "auto"


def test_ray_asks_for_a_token_and_containers_have_no_rights_they_do_not_need():
    for service in ("head", "worker"):
        node = read("compose.yaml")["services"][service]
        assert node["environment"]["RAY_AUTH_MODE"] == "token" and node["environment"]["RAY_AUTH_TOKEN"]
        assert node["cap_drop"] == ["ALL"] and "no-new-privileges:true" in node["security_opt"]
