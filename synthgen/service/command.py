"""`synthgen serve`: a cluster of this machine or another, the application on it, until somebody interrupts it."""

from __future__ import annotations

import ipaddress
import os
import socket
import time
from collections.abc import Callable
from typing import Any

from ..errors import UserError
from ..sampling.serve import RayOptions, connect


def serve_until_interrupted(
    args: dict[str, Any], host: str, port: int, address: str | None, say: Callable[[str], None]
) -> None:
    """Serve `args`, fields of `ServeOptions`, at host:port. Raises UserError; ends by KeyboardInterrupt."""
    try:
        from .auth import Keys
    except ModuleNotFoundError as error:
        raise UserError(f"serve: needs the package {error.name!r}; run: pip install 'synthgen[serve]'") from None
    alone = is_loopback(host)
    if not Keys.read(args.get("keys_file"), os.environ).digests and not alone:
        raise UserError(
            f"--host: {host!r} is reached by others, and there are no keys; add --keys FILE, set SYNTHGEN_KEYS, or use "
            "127.0.0.1"
        )
    if address is None:
        _refuse_taken(host, port)
    connect(RayOptions(address=address))
    import ray
    from ray import serve

    from .ingress import APP, build

    try:
        app = build({**args, "anonymous": alone})
        serve.start(http_options={"host": host, "port": port})
        serve.run(app, name=APP, route_prefix="/")
        say(f"serving {', '.join(args['recipes'])} at http://{host}:{port}/ (Ctrl-C ends it)")
        while True:
            time.sleep(1)
    finally:
        if address is None:
            serve.shutdown()
        ray.shutdown()


def is_loopback(host: str) -> bool:
    """Whether only programs of this machine reach the address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _refuse_taken(host: str, port: int) -> None:
    try:
        with socket.create_server((host, port)):
            pass
    except OSError as error:
        raise UserError(f"--port: {port} of {host!r} cannot be listened on ({error.strerror}); use another") from None
