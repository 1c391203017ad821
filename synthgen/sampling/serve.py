"""The Ray engine: Serve replicas that hold the model and make shards. Nothing else here imports ray.

A replica opens the run by itself, from its folder, which all machines must see; a request is the number of a shard, and
the answer its Parquet file's bytes. The driver bounds what is in flight, asks again for a shard whose replica died, and
hands shards over in the order of their numbers, so that the dataset is the one that threads would make.

    with RayEngine(open_maker, (recipe, folder), RayOptions(replicas=(2, 2), threads=1)) as engine:
        for number in engine.produce(orders):
            ...
"""

from __future__ import annotations

import logging
import math
import os
import socket
import sys
import time
from collections import deque
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from ..errors import UserError
from .engine import Orders, ShardMaker
from .model_server import ModelServer

TRIES = 6  # of a shard whose replica died
PAUSE = 1.0  # seconds before the second try; doubled before each further one
KNOCK = 5.0  # seconds to wait for a cluster's answer
QUIET = {"enable_access_log": False}  # of Serve: a line for each call
AHEAD = 2  # shards in flight for each thread
HOPELESS = 900.0  # seconds in which no replica came up


@dataclass(frozen=True)
class RayOptions:
    """Who makes shards. `replicas` are the fewest and the most: between them Serve chooses by load."""

    replicas: tuple[int, int] = (1, 1)
    threads: int = 1  # of the processor, for each replica: so many shards at a time
    gpus: float = 0.0  # for each replica; fractions share one
    address: str | None = None  # of a cluster; None: one of this machine alone, for this run
    app: str | None = None  # the Serve application whose replicas there are; None: replicas of this run's own


class RayEngine:
    """Starts replicas, or joins a cluster and starts them there, and ends them."""

    def __init__(self, open: Callable[[Any], ShardMaker], what: Hashable, options: RayOptions) -> None:
        """Each replica is a `ModelServer` that reads `what` with `open`."""
        self.open, self.what, self.options = open, what, options
        self.app = f"synthgen-{os.getpid()}-{time.time_ns()}"
        self.handle: Any = None

    @property
    def workers(self) -> int:
        return self.options.replicas[1] * self.options.threads

    def __enter__(self) -> RayEngine:
        connect(self.options)
        try:
            if self.options.app is None:
                self._start()
            else:
                self._join(self.options.app)
        except BaseException:
            self.__exit__()
            raise
        return self

    def _start(self) -> None:
        from ray import serve

        serve.start(proxy_location="Disabled")
        bound = describe_replicas(self.open, self.options, max_ongoing_requests=AHEAD * self.options.threads)
        try:
            self.handle = serve.run(bound, name=self.app, route_prefix=None)
        except RuntimeError as error:
            told = [line.strip() for line in str(error).splitlines() if line.strip()]
            raise UserError(
                f"--engine: no replica came up ({told[-1] if told else 'Serve says nothing more'}); the logs are in "
                "/tmp/ray/session_latest/logs/serve"
            ) from None

    def _join(self, app: str) -> None:
        from ray import serve

        self.handle = serve.get_deployment_handle(ModelServer.__name__, app_name=app)

    def __exit__(self, *_: object) -> None:
        import ray
        from ray import serve

        if self.options.app is not None:
            ray.shutdown()
        elif self.options.address is None:
            serve.shutdown()
            ray.shutdown()
        else:
            serve.delete(self.app)

    def produce(self, orders: Orders) -> Iterator[int]:
        """As `Engine` says; a shard waits at each thread that is at one, since Serve may take half a second to find a
        free one."""
        most, begun = AHEAD * self.workers, deque[tuple[int, Any]]()
        while True:
            while len(begun) < most and (number := orders.ask(len(begun))) is not None:
                begun.append((number, None if orders.is_there(number) else self._ask(number)))
            if not begun:
                return
            number, response = begun.popleft()
            if response is not None:
                orders.finish(number, *_insist(f"shard {number}", partial(self._ask, number), response))
            yield number

    def time_bare(self, seconds: float) -> float:
        """Every thread of the fewest replicas at once. One that Serve gives two of the requests is at them in turn,
        and the mean of all stands for those that it left out."""
        count = self.options.replicas[0]
        for length in (0.01, seconds):  # first calls prepare kernels
            ask = partial(self.handle.time_bare.remote, self.what, length)
            asked = [ask() for _ in range(count)]
            rates = [_insist("the denoiser's speed", ask, response) for response in asked]
        return sum(rates) * self.options.replicas[1] / count

    def _ask(self, number: int) -> Any:
        return self.handle.make_shard.remote(self.what, number)


def _insist(named: str, ask: Callable[[], Any], response: Any) -> Any:
    """What the response holds, asked for anew where its replica died: any other gives the same."""
    from ray.exceptions import RayActorError, RayTaskError

    for tried in range(1, TRIES + 1):
        try:
            return response.result(timeout_s=HOPELESS)
        except RayTaskError as error:
            raise error.cause if isinstance(error.cause, UserError) else error from None
        except (RayActorError, TimeoutError) as error:
            if tried == TRIES:
                raise UserError(
                    f"--engine: {named} was asked for {TRIES} times and its replica died each time "
                    f"({type(error).__name__}); look at the replicas' memory, or use fewer --replicas"
                ) from None
            time.sleep(PAUSE * 2 ** (tried - 1))
            response = ask()
    raise AssertionError


def connect(options: RayOptions) -> None:
    """Joins the cluster at the address, or starts one that only this machine's programs reach, with a token."""
    if "ray" not in sys.modules:  # it reads them when it is imported
        os.environ.setdefault("RAY_AUTH_MODE", "token")
        os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
        if options.address is None:
            os.environ.setdefault("RAY_worker_niceness", "0")  # Ray's own 15 starves replicas beside anything else
            # what was called is kept for a dashboard that is not there, and grows with each request
            os.environ.setdefault("RAY_task_events_report_interval_ms", "0")
    try:
        import ray
        from ray._private import ray_constants
    except ImportError:
        raise UserError("--engine: 'ray' needs the package 'ray'; run: pip install 'synthgen[ray]'") from None
    quiet: dict[str, Any] = {"logging_level": "ERROR", "log_to_driver": False, "namespace": "synthgen"}
    logging.getLogger("ray.serve").setLevel(logging.ERROR)
    if options.address is None:
        # Ray binds its ports to the loopback address only where it takes this for a machine without clusters
        ray_constants.ENABLE_RAY_CLUSTER = False
        count = max(options.replicas[1] * options.threads, os.cpu_count() or 1)
        ray.init(num_cpus=count, include_dashboard=False, _node_ip_address="127.0.0.1", **quiet)
        return
    try:
        host, port = _knock(options.address)
        # Ray looks for a cluster of this machine at the machine's other address, unless told as above
        ray_constants.ENABLE_RAY_CLUSTER = not _is_loopback_alone(host, port)
        ray.init(address=options.address, **quiet)
    except (ConnectionError, ValueError, RuntimeError) as error:
        first = str(error).strip().splitlines()[0]
        raise UserError(f"--ray-address: {options.address!r} cannot be reached ({first}); is the cluster up?") from None


def _knock(address: str) -> tuple[str, int]:
    """Host and port of a cluster. A UserError where nothing listens: Ray itself would try for minutes."""
    from ray._private.services import get_ray_address_from_environment

    found = get_ray_address_from_environment("auto", None) if address == "auto" else address
    host, _, port = found.removeprefix("ray://").rpartition(":")
    if not host or not port.isdecimal():
        raise UserError(f"--ray-address: {address!r} is no address; write one such as 10.0.0.7:6379")
    try:
        socket.create_connection((host, int(port)), KNOCK).close()
    except (OSError, OverflowError) as error:
        raise UserError(f"--ray-address: {address!r} cannot be reached ({error}); is the cluster up?") from None
    return host, int(port)


def _is_loopback_alone(host: str, port: int) -> bool:
    """Whether the cluster is one that only programs of this machine reach, as `connect` starts it."""
    from ray._private.services import node_ip_address_from_perspective

    if host not in ("127.0.0.1", "localhost", "::1"):
        return False
    try:
        socket.create_connection((node_ip_address_from_perspective(), port), KNOCK).close()
    except OSError:
        return True
    return False


def describe_replicas(
    open: Callable[[Any], ShardMaker], options: RayOptions, *, max_ongoing_requests: int, keep: int = 1,
    idle: float = math.inf,
) -> Any:  # fmt: skip
    """The Serve application of `ModelServer` replicas that keep so many models in memory, for so many seconds."""
    from ray import serve

    deployment: Any = serve.deployment(ModelServer)
    described = deployment.options(
        **_describe(options), max_ongoing_requests=max_ongoing_requests, logging_config=QUIET
    )
    return described.bind(open, options.threads, keep, idle)


def _describe(options: RayOptions) -> dict[str, Any]:
    fewest, most = options.replicas
    scale: dict[str, Any] = {"num_replicas": most}
    if fewest != most:
        scale = {
            "autoscaling_config": {
                "min_replicas": fewest,
                "max_replicas": most,
                "target_ongoing_requests": options.threads,
            }
        }
    return {
        **scale,
        "ray_actor_options": {
            "num_cpus": options.threads,
            "num_gpus": options.gpus,
            # each thread makes shards of its own: threads of threads would wait for one another
            "runtime_env": {"env_vars": {"OMP_NUM_THREADS": "1"}},
        },
        "graceful_shutdown_timeout_s": 5,
    }
