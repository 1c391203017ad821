"""Serve's configurations: against Ray's own schema, without a key that Ray would silently leave out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError
from ray.serve.schema import ServeDeploySchema

from synthgen.service import ingress
from synthgen.service.options import ServeOptions

DEPLOY = Path(__file__).parents[2] / "deploy"


def read_configs() -> dict[str, dict[str, Any]]:
    files = [DEPLOY / "serve.yaml", *sorted((DEPLOY / "compose").glob("*.yaml"))]
    found = {path.relative_to(DEPLOY).as_posix(): yaml.safe_load(path.read_text()) for path in files}
    service = yaml.safe_load((DEPLOY / "kuberay" / "rayservice.yaml").read_text())
    return found | {"kuberay/rayservice.yaml": yaml.safe_load(service["spec"]["serveConfigV2"])}


CONFIGS = read_configs()
EACH = pytest.mark.parametrize("name", sorted(CONFIGS))


def find_unread(written: Any, read: Any, path: str = "") -> list[str]:
    """Keys that were written and not read: Ray's schema leaves out what it does not know."""
    if isinstance(written, dict) and isinstance(read, dict):
        lost = [f"{path}.{key}" for key in written if key not in read]
        return lost + [
            one for key in written if key in read for one in find_unread(written[key], read[key], f"{path}.{key}")
        ]
    if isinstance(written, list) and isinstance(read, list):
        return [one for a, b in zip(written, read, strict=True) for one in find_unread(a, b, path)]
    return []


@EACH
def test_ray_reads_all_of_it(name):
    parsed = ServeDeploySchema.model_validate(CONFIGS[name])
    assert find_unread(CONFIGS[name], parsed.model_dump(warnings=False)) == []
    (application,) = parsed.applications
    assert (application.import_path, application.route_prefix) == ("synthgen.service.ingress:build", "/")
    assert application.name == ingress.APP  # by which jobs find the replicas


def test_a_misspelt_key_is_found():
    written = CONFIGS["serve.yaml"] | {"http_option": {}}
    assert find_unread(written, ServeDeploySchema.model_validate(written).model_dump(warnings=False)) == [
        ".http_option"
    ]


@EACH
def test_the_arguments_are_the_services(name):
    arguments = CONFIGS[name]["applications"][0]["args"]
    options = ServeOptions.model_validate(arguments)
    assert list(options.replicas) == arguments["replicas"]


def test_a_misspelt_argument_is_told():
    arguments = CONFIGS["serve.yaml"]["applications"][0]["args"]
    with pytest.raises(ValidationError, match="keys_fil"):
        ServeOptions.model_validate(arguments | {"keys_fil": None})


def test_who_listens_beyond_this_machine_has_keys():
    for name, config in CONFIGS.items():
        arguments = config["applications"][0]["args"]
        alone = config["http_options"]["host"] == "127.0.0.1"
        assert alone is arguments.get("anonymous", False), name
        assert alone or arguments["keys_file"], name


def test_no_argument_is_a_secret():
    """Serve writes them into its log."""
    for config in CONFIGS.values():
        assert not config["applications"][0]["args"].get("database")


def test_deployments_are_the_applications():
    written = [one["name"] for config in CONFIGS.values() for one in config["applications"][0].get("deployments", [])]
    assert written == ["Jobs"]
    assert all(hasattr(ingress, name) for name in written)


def test_the_recipes_are_shipped():
    recipes = DEPLOY.parent / "recipes"
    for config in CONFIGS.values():
        for word in config["applications"][0]["args"]["recipes"]:
            assert (recipes / f"{word}.yaml").is_file()
