"""What this machine has: cores, bf16, memory, GPUs, versions, free disk. Knows nothing of recipes.

Limits of a container (cgroup) and of the process (affinity) count, not what the machine has in all.

    hardware = look()
    report.update(hardware.describe())      # {"versions": {...}, "hardware": {...}}
"""

from __future__ import annotations

import math
import os
import platform
import shutil
import time
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

GIB = 2**30
PACKAGES = ("torch", "diffusers", "accelerate", "datasets", "pyarrow", "numpy", "pydantic", "transformers")
CGROUP = Path("/sys/fs/cgroup")


@dataclass(frozen=True)
class Gpu:
    name: str
    memory_gib: float
    free_gib: float
    bf16: bool


@dataclass(frozen=True)
class Hardware:
    """What a run can use; sizes in GiB."""

    system: str
    processor: str
    cores: int
    memory_gib: float
    available_gib: float
    bf16: bool  # the processor multiplies bfloat16 itself
    gpus: tuple[Gpu, ...]
    versions: dict[str, str]

    def describe(self) -> dict[str, Any]:
        """`versions` and `hardware` for report.json."""
        values = asdict(self)
        versions = values.pop("versions")
        return {"versions": versions, "hardware": {**values, "gpus": list(values["gpus"])}}


def look() -> Hardware:
    """This machine as this process may use it."""
    total, available = _memory()
    return Hardware(
        system=f"{platform.system()} {platform.machine()}",
        processor=_cpuinfo("model name") or platform.processor() or platform.machine(),
        cores=cores(),
        memory_gib=round(total / GIB, 2),
        available_gib=round(available / GIB, 2),
        bf16=bool({"avx512_bf16", "amx_bf16"} & set(_cpuinfo("flags").split())),
        gpus=_gpus(),
        versions=versions(),
    )


def cores() -> int:
    """Cores that this process may use: its affinity, and the container's quota rounded up."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = _quota()
    return max(1, allowed if quota is None else min(allowed, math.ceil(quota)))


def versions() -> dict[str, str]:
    """Installed versions of what shapes the result; a package that is absent is left out."""
    found = {"python": platform.python_version(), "synthgen": __import__("synthgen").__version__}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def free_disk(folder: Path) -> int:
    """Free bytes where `folder` is or would be made."""
    place = folder.absolute()
    while not place.is_dir() and place != place.parent:
        place = place.parent
    return shutil.disk_usage(place).free


def speed(seconds: float = 0.3) -> float:
    """float32 GFLOP/s of one thread, by a 512×512 matrix product repeated for `seconds`."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        a = torch.ones(512, 512)
        _ = a @ a
        rounds, began = 0, time.perf_counter()
        while (took := time.perf_counter() - began) < seconds:
            _ = a @ a
            rounds += 1
    finally:
        torch.set_num_threads(threads)
    return rounds * 2 * 512**3 / took / 1e9


def gpu_speed(seconds: float = 0.3) -> float:
    """bfloat16 GFLOP/s of the first GPU, by a 4096×4096 matrix product repeated for `seconds`; 0 without one."""
    import torch

    if not torch.cuda.is_available():
        return 0.0
    a = torch.ones(4096, 4096, device="cuda", dtype=torch.bfloat16)
    _ = a @ a
    torch.cuda.synchronize()
    rounds, began = 0, time.perf_counter()
    while (took := time.perf_counter() - began) < seconds:
        _ = a @ a
        torch.cuda.synchronize()
        rounds += 1
    return rounds * 2 * 4096**3 / took / 1e9


def show_size(count: float) -> str:
    """Bytes as people read them."""
    return f"{count / GIB:.1f} GiB" if count >= GIB / 10 else f"{count / 2**20:.0f} MiB"


def _quota() -> float | None:
    words = _read(CGROUP / "cpu.max").split()  # cgroup v2: "200000 100000" or "max 100000"
    if len(words) == 2 and words[0].isdecimal():
        return int(words[0]) / int(words[1])
    quota, period = _read(CGROUP / "cpu/cpu.cfs_quota_us"), _read(CGROUP / "cpu/cpu.cfs_period_us")
    return int(quota) / int(period) if quota.isdecimal() and period.isdecimal() else None


def _memory() -> tuple[int, int]:
    """(total, available) bytes."""
    import psutil

    memory = psutil.virtual_memory()
    total, available = memory.total, memory.available
    for limit_file, used_file in (
        ("memory.max", "memory.current"),
        ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes"),
    ):
        limit, used = _read(CGROUP / limit_file), _read(CGROUP / used_file)
        if limit.isdecimal() and int(limit) < total:
            total = int(limit)
            available = min(available, max(total - int(used or 0), 0))
    return total, available


def _gpus() -> tuple[Gpu, ...]:
    import torch

    if not torch.cuda.is_available():
        return ()
    found = []
    for index in range(torch.cuda.device_count()):
        properties = torch.cuda.get_device_properties(index)
        free, _ = torch.cuda.mem_get_info(index)
        found.append(
            Gpu(properties.name, round(properties.total_memory / GIB, 2), round(free / GIB, 2), properties.major >= 8)
        )
    return tuple(found)


def _cpuinfo(field: str) -> str:
    for line in _read(Path("/proc/cpuinfo")).splitlines():
        name, _, value = line.partition(":")
        if name.strip() == field:
            return value.strip()
    return ""


def _read(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""
