"""Process numbers in; CPU seconds and resident memory out, as Linux counts them."""

import os
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path


def process_tree(pid: int) -> list[int]:
    """Return the process and all its descendants that live now."""
    parents = {child: parent for child in _all_pids() if (parent := _parent(child)) is not None}
    tree = [pid]
    for known in tree:  # grows while it is walked, generation by generation
        tree += [child for child, parent in parents.items() if parent == known]
    return tree


def cpu_s(pids: Iterable[int]) -> dict[int, float]:
    """User and system time of each of these processes that still lives, all its threads, to the microsecond."""
    spent = {}
    for pid in pids:
        try:
            # The kernel's clock of another process: /proc would only count in ticks of 10 ms.
            spent[pid] = time.clock_gettime((~pid << 3) | 2)
        except OSError:
            continue
    return spent


def spent_since(before: dict[int, float], after: dict[int, float]) -> float:
    """CPU seconds between two readings of `cpu_s`; a process that ended meanwhile is left out."""
    return sum(now - before.get(pid, 0.0) for pid, now in after.items())


def threads(pid: int) -> list[int]:
    """Return the threads of a process that live now; none of one that has ended."""
    with suppress(OSError):
        return [int(entry.name) for entry in Path(f"/proc/{pid}/task").iterdir()]
    return []


def rss_kib(pid: int) -> int:
    """Resident memory of one process."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    return 0


def memory_kib(pid: int) -> int:
    """Resident memory of one process, without the files it maps: those are shared."""
    wanted = ("RssAnon:", "RssShmem:")
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith(wanted))


def own_pid() -> int:
    return os.getpid()


def own_memory_kib() -> int:
    return memory_kib(own_pid())


def _all_pids() -> list[int]:
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]


def _parent(pid: int) -> int | None:
    try:
        return int(_stat_after_name(pid)[1])
    except (FileNotFoundError, ProcessLookupError):
        return None


def _stat_after_name(pid: int) -> list[str]:
    # The name stands in parentheses and may hold blanks and parentheses itself.
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
