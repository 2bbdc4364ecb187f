"""Nothing in; what this machine and this Python are, in words for the head of a table of measurements, out."""

import os
import platform
from importlib.metadata import version
from pathlib import Path

_PACKAGES = ("uvloop", "uvicorn", "starlette", "websockets", "msgspec", "numpy", "onnxruntime")


def facts() -> str:
    """Processor, cores, memory, kernel, Python, and the packages that the figures depend on; no name of a host."""
    packages = ", ".join(f"{name} {version(name)}" for name in _PACKAGES)
    system = f"{platform.system()} {platform.release().split('-')[0]}"
    python = f"{platform.python_implementation()} {platform.python_version()}"
    return f"{_processor()}, {os.cpu_count()} cores, {_memory_gib():.0f} GiB, {system}, {python}\n{packages}"


def _processor() -> str:
    for line in _lines("/proc/cpuinfo"):
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _memory_gib() -> float:
    for line in _lines("/proc/meminfo"):
        if line.startswith("MemTotal:"):
            return int(line.split()[1]) / (1 << 20)
    return 0.0


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text().splitlines()
    except OSError:
        return []
