"""deploy/kuberay: against Kubernetes' own schemas and KubeRay's fields, and what the parts must agree on."""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import ray
import yaml
from dockerfile_stages import values
from ray.scripts.scripts import start as ray_start

FOLDER = Path(__file__).parents[2] / "deploy" / "kuberay"
RELEASE = "1.33"  # of Kubernetes
KUBECTL = shutil.which("kubectl")
OBJECTS = [
    (path.name, thing)
    for path in sorted(FOLDER.glob("*.yaml"))
    for thing in yaml.safe_load_all(path.read_text())
    if thing["kind"] != "Kustomization"
]
SERVICE = next(thing for _, thing in OBJECTS if thing["kind"] == "RayService")
CLUSTER = SERVICE["spec"]["rayClusterConfig"]
HEAD, (WORKERS,) = CLUSTER["headGroupSpec"], CLUSTER["workerGroupSpecs"]
PODS = {"head": HEAD["template"], "worker": WORKERS["template"]}
EACH = pytest.mark.parametrize("pod", sorted(PODS))

# ray.io/v1 in KubeRay's API reference, as of 1.6: no package carries the schema itself
FIELDS: dict[str, Any] = {
    "serveConfigV2": str,
    "rayClusterConfig": {
        "suspend": bool,
        "managedBy": str,
        "autoscalerOptions": {
            "resources": dict,
            "image": str,
            "imagePullPolicy": str,
            "securityContext": dict,
            "idleTimeoutSeconds": int,
            "upscalingMode": str,
            "version": str,
            "env": list,
            "envFrom": list,
            "volumeMounts": list,
        },
        "authOptions": {"mode": str},
        "headServiceAnnotations": dict,
        "enableInTreeAutoscaling": bool,
        "gcsFaultToleranceOptions": dict,
        "headGroupSpec": {
            "template": dict,
            "headService": dict,
            "enableIngress": bool,
            "rayStartParams": dict,
            "serviceType": str,
        },
        "rayVersion": str,
        "workerGroupSpecs": [
            {
                "suspend": bool,
                "groupName": str,
                "replicas": int,
                "minReplicas": int,
                "maxReplicas": int,
                "idleTimeoutSeconds": int,
                "rayStartParams": dict,
                "template": dict,
                "scaleStrategy": dict,
                "numOfHosts": int,
            }
        ],
    },
    "serveService": dict,
    "upgradeStrategy": {"type": str},
    "excludeHeadPodFromServeSvc": bool,
    "rayClusterDeletionDelaySeconds": int,
}


def check_fields(value: Any, known: Any, path: str) -> None:
    if isinstance(known, dict):
        assert value.keys() <= known.keys(), (path, value.keys() - known.keys())
        for key, inner in value.items():
            check_fields(inner, known[key], f"{path}.{key}")
    elif isinstance(known, list):
        for number, inner in enumerate(value):
            check_fields(inner, known[0], f"{path}[{number}]")
    else:
        assert type(value) is known, path


def matches(selector: dict[str, Any], template: dict[str, Any]) -> bool:
    return selector["matchLabels"].items() <= template["metadata"]["labels"].items()


def find(kind: str) -> list[dict[str, Any]]:
    return [thing for _, thing in OBJECTS if thing["kind"] == kind]


@pytest.mark.parametrize(("name", "thing"), OBJECTS, ids=[f"{name} {thing['kind']}" for name, thing in OBJECTS])
def test_an_object_follows_its_schema(name, thing):
    if thing["apiVersion"] == "ray.io/v1":
        check_fields(thing["spec"], FIELDS, "spec")
    else:
        assert kubernetes_validate.validate(thing, RELEASE, strict=True) == RELEASE
    assert thing["kind"] == "Namespace" or thing["metadata"]["namespace"] == "synthgen"


@EACH
def test_a_pod_follows_kubernetes_schema(pod):
    template = PODS[pod]
    whole = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": pod} | template["metadata"],
        "spec": template["spec"],
    }
    assert kubernetes_validate.validate(whole, RELEASE, strict=True) == RELEASE


@EACH
def test_ray_knows_the_start_options(pod):
    options = {"head": HEAD, "worker": WORKERS}[pod]["rayStartParams"]
    assert all(isinstance(value, str) for value in options.values())  # the operator takes texts only
    line = " ".join(f"--{name}={value}" for name, value in options.items())  # and hands the line to a shell
    told = ray_start.make_context("start", shlex.split(line)).params
    assert told["metrics_export_port"] == 8080


def test_the_version_of_ray_is_the_images():
    assert CLUSTER["rayVersion"] == ray.__version__
    assert CLUSTER["authOptions"]["mode"] == "token"


@EACH
def test_a_pod_has_no_rights_it_does_not_need(pod):
    spec = PODS[pod]["spec"]
    user, _ = values("cuda", "USER")[-1].split(":")
    assert spec["securityContext"]["runAsUser"] == int(user) and spec["securityContext"]["runAsNonRoot"]
    (container,) = spec["containers"]
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert container["securityContext"]["allowPrivilegeEscalation"] is False
    assert spec["automountServiceAccountToken"] is (pod == "head")


@EACH
def test_every_mount_has_its_volume_and_every_secret_is_described(pod):
    spec = PODS[pod]["spec"]
    volumes = {volume["name"]: volume for volume in spec["volumes"]}
    (container,) = spec["containers"]
    assert {mount["name"] for mount in container["volumeMounts"]} == volumes.keys()
    secrets = {secret["metadata"]["name"]: secret["stringData"] for secret in find("Secret")}
    url = next(one for one in container["env"] if one["name"] == "SYNTHGEN_DATABASE")["valueFrom"]["secretKeyRef"]
    assert url["key"] in secrets[url["name"]]
    (arguments,) = (one["args"] for one in yaml.safe_load(SERVICE["spec"]["serveConfigV2"])["applications"])
    mounts = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
    keys_file = Path(arguments["keys_file"])
    assert (
        str(keys_file.parent) == mounts["keys"] and keys_file.name in secrets[volumes["keys"]["secret"]["secretName"]]
    )
    assert arguments["state"] == mounts["state"]
    (claim,) = find("PersistentVolumeClaim")
    assert volumes["state"]["persistentVolumeClaim"]["claimName"] == claim["metadata"]["name"]
    assert claim["spec"]["accessModes"] == ["ReadWriteMany"]


def test_every_replica_finds_a_pod_with_its_gpu_and_its_cores():
    (arguments,) = (one["args"] for one in yaml.safe_load(SERVICE["spec"]["serveConfigV2"])["applications"])
    limits = PODS["worker"]["spec"]["containers"][0]["resources"]["limits"]
    fewest, most = arguments["replicas"]
    assert CLUSTER["enableInTreeAutoscaling"] is True
    assert WORKERS["minReplicas"] * limits["nvidia.com/gpu"] >= fewest * arguments["gpus_per_replica"]
    assert WORKERS["maxReplicas"] * limits["nvidia.com/gpu"] == most * arguments["gpus_per_replica"]
    assert int(limits["cpu"]) > arguments["threads_per_replica"]  # one at least for the API
    assert HEAD["rayStartParams"]["num-cpus"] == "0"


def test_jobs_train_where_the_gpus_are():
    (application,) = yaml.safe_load(SERVICE["spec"]["serveConfigV2"])["applications"]
    (jobs,) = application["deployments"]
    wanted = jobs["ray_actor_options"]["resources"]
    (told,) = shlex.split(WORKERS["rayStartParams"]["resources"])
    assert json.loads(told).items() >= wanted.items()
    assert "resources" not in HEAD["rayStartParams"]


def test_probes_ask_the_application_only_where_that_kills_nothing_at_work():
    worker, head = (PODS[name]["spec"]["containers"][0] for name in ("worker", "head"))
    assert worker["readinessProbe"]["httpGet"] == {"path": "/readyz", "port": 8000}
    assert worker["startupProbe"]["httpGet"] == {"path": "/healthz", "port": 8000}
    assert worker["startupProbe"]["failureThreshold"] * worker["startupProbe"]["periodSeconds"] >= 1800
    for probe in (worker["livenessProbe"], head["livenessProbe"], head["readinessProbe"]):
        assert probe["httpGet"] == {"path": "/api/healthz", "port": 52365}


def test_nobody_outside_reaches_the_ports_on_which_ray_runs_code():
    (policy,) = find("NetworkPolicy")
    assert all(matches(policy["spec"]["podSelector"], template) for template in PODS.values())
    assert sorted(policy["spec"]["policyTypes"]) == ["Egress", "Ingress"]
    among_themselves, *others = policy["spec"]["ingress"]
    assert among_themselves["from"] == [{"podSelector": policy["spec"]["podSelector"]}]
    for rule in others:
        (who,) = rule["from"]
        open_to = {port["port"] for port in rule["ports"]}
        namespace = who["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"]
        assert open_to <= ({8265, 52365, 8000} if namespace == "kuberay-system" else {8000, 8080})


def test_disruption_budgets_are_of_the_kind_that_an_operators_pods_may_have():
    budgets = find("PodDisruptionBudget")
    for name, template in PODS.items():
        (budget,) = (one["spec"] for one in budgets if matches(one["spec"]["selector"], template))
        assert isinstance(budget["minAvailable"], int) and "maxUnavailable" not in budget, name


def test_kustomization_names_all_but_the_example_of_secrets():
    named = yaml.safe_load((FOLDER / "kustomization.yaml").read_text())["resources"]
    there = {path.name for path in FOLDER.glob("*.yaml")}
    assert set(named) == there - {"kustomization.yaml", "secrets.example.yaml"}


@pytest.mark.skipif(KUBECTL is None, reason="kubectl is not installed")
def test_kustomize_puts_the_registrys_name_into_every_pod():
    told = subprocess.run([KUBECTL, "kustomize", FOLDER], capture_output=True, text=True, check=True).stdout
    (service,) = (thing for thing in yaml.safe_load_all(told) if thing["kind"] == "RayService")
    cluster = service["spec"]["rayClusterConfig"]
    templates = [cluster["headGroupSpec"]["template"], cluster["workerGroupSpecs"][0]["template"]]
    assert [t["spec"]["containers"][0]["image"] for t in templates] == ["registry.example/synthgen:cuda"] * 2
