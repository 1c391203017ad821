"""The routes against their own OpenAPI, with requests that were not thought of, and with callers that misbehave."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import psutil
import pytest
from serving import free_port

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

KEY = "ann-0123456789abcdef"
BEARER = {"Authorization": f"Bearer {KEY}"}
ASKS, TYPE = f"Authorization: Bearer {KEY}", "Content-Type: application/json"
CASES = int(os.environ.get("SYNTHGEN_FUZZ_CASES", "60"))  # of each operation; 1000 take some minutes
SLOW_CALLERS = 500


@pytest.fixture(scope="module")
def service(undisturbed, tmp_path_factory):
    """(URL, process) of a service of the tiny digits."""
    state, port = tmp_path_factory.mktemp("http"), free_port()
    script = Path(__file__).with_name("http_service.py")
    env = {**os.environ, "SYNTHGEN_KEYS": f"ann:{KEY}", "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen([sys.executable, str(script), str(undisturbed), str(state), str(port)], env=env)
    url = f"http://127.0.0.1:{port}"
    until = time.monotonic() + 120
    while True:
        try:
            if httpx.get(f"{url}/readyz", timeout=5).status_code == 200:
                break
        except httpx.TransportError:
            pass
        assert process.poll() is None and time.monotonic() < until
        time.sleep(0.2)
    yield url, psutil.Process(process.pid)
    process.terminate()
    process.wait(30)


def test_no_request_makes_an_error_of_ours(service, tmp_path):
    url, _ = service
    command = [
        str(Path(sys.executable).with_name("schemathesis")), "run", f"{url}/openapi.json", "-H", ASKS,
        "--checks", "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance",
        "--mode", "all", "-n", str(CASES), "--workers", "2", "--no-color", "--seed", "1", "--warnings", "off",
        "--suppress-health-check", "all", "--continue-on-failure", "--exclude-path", "/readyz",
    ]  # fmt: skip
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-6000:]
    assert "Stateful" in done.stdout


def head(path: str, *lines: str) -> bytes:
    return "\r\n".join([f"POST {path} HTTP/1.1", "Host: localhost", *lines, "", ""]).encode()


def answer(url: str, sent: bytes, body: bytes = b"", times: int = 1) -> bytes:
    """The first bytes of what comes back for raw bytes; b"" if the connection is cut."""
    host, port = url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), 30) as line:
        try:
            line.sendall(sent)
            for _ in range(times):
                line.sendall(body)
        except OSError:
            pass
        try:
            return line.recv(4096)
        except OSError:
            return b""


@pytest.mark.parametrize(
    "sent, statuses",
    [
        (head("/v1/generate", TYPE, "Content-Length: 1073741824"), (b"413",)),
        (head("/v1/generate", ASKS, TYPE, "Content-Length: 1073741824"), (b"413",)),
        (head("/v1/generate", f"X-Long: {'x' * 200_000}"), (b"431",)),
        (head("/v1/generate", *(f"X-{n}: y" for n in range(2000))), (b"400", b"401", b"422", b"431")),
        (b"GARBAGE\r\n\r\n", (b"400",)),
        (b"GET /healthz HTTP/1.1\r\nHost: a b\r\n\r\n", (b"200", b"400")),
        (b"GET /v1/jobs/../../etc/passwd HTTP/1.1\r\nHost: x\r\n\r\n", (b"404",)),
    ],
)  # fmt: skip
def test_raw_bytes_get_an_answer(service, sent, statuses):
    got = answer(service[0], sent)
    assert (got.split(b" ")[1] if got else b"") in statuses, got
    assert httpx.get(f"{service[0]}/healthz").status_code == 200


def test_a_gigabyte_is_not_taken_in(service):
    url, process = service
    before = process.memory_info().rss
    sent = head("/v1/generate", ASKS, TYPE, "Transfer-Encoding: chunked")
    megabyte = b"100000\r\n" + b"x" * 0x100000 + b"\r\n"
    got = answer(url, sent, megabyte, 1024)
    assert got == b"" or b" 413 " in got[:20]
    assert process.memory_info().rss - before < 100e6


def test_slow_callers_do_not_keep_others_out(service):
    url, _ = service
    host, port = url.removeprefix("http://").split(":")
    slow = [socket.create_connection((host, int(port)), 30) for _ in range(SLOW_CALLERS)]
    try:
        for line in slow:
            line.sendall(head("/v1/generate", ASKS, TYPE, "Content-Length: 50")[:-1])
        times = []
        for _ in range(20):
            began = time.monotonic()
            assert httpx.get(f"{url}/healthz", timeout=10).status_code == 200
            times.append(time.monotonic() - began)
        body = {"recipe": "classification", "count": 2, "seed": 1}
        assert httpx.post(f"{url}/v1/generate", json=body, headers=BEARER, timeout=60).status_code == 200
        assert sorted(times)[-2] < 1
    finally:
        for line in slow:
            line.close()
    assert httpx.get(f"{url}/healthz").status_code == 200
