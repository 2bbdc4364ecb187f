"""A false wall clock for one process, which a test moves while the process runs: Debian's libfaketime."""

import contextlib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_LIBRARY: Final = "usr/lib/*/faketime/libfaketimeMT.so.1"


@dataclass(frozen=True, slots=True)
class ClockFile:
    """The file in which libfaketime reads how wrong the clock is. The monotonic clock stays right."""

    path: Path
    library: Path

    @classmethod
    def beside(cls, folder: Path) -> "ClockFile | None":
        """A right clock; None where libfaketime is not installed."""
        library = next(iter(sorted(Path("/").glob(_LIBRARY))), None)
        if library is None:
            return None
        made = cls(folder / "clock", library)
        made.move(0)
        return made

    def variables(self) -> dict[str, str]:
        """The environment of the process."""
        return {
            "LD_PRELOAD": str(self.library),
            "FAKETIME_TIMESTAMP_FILE": str(self.path),
            "FAKETIME_CACHE_DURATION": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "FAKETIME_NO_CACHE": "0",
        }

    def move(self, seconds: int) -> None:
        """Make the clock wrong by so much, within a second."""
        partial = self.path.with_suffix(".new")
        partial.write_text(f"{seconds:+d}s\n")
        partial.replace(self.path)

    def remove(self) -> None:
        """What libfaketime leaves of processes that were killed."""
        for pattern in ("faketime_shm_*", "sem.faketime_sem_*"):
            for left in Path("/dev/shm").glob(pattern):
                with contextlib.suppress(OSError):
                    if not Path(f"/proc/{left.name.rpartition('_')[2]}").exists():
                        left.unlink()
