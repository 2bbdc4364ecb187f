"""A disk of two megabytes for one folder, which a test fills and frees; needs root."""

import contextlib
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class SmallDisk:
    """A file system in memory, mounted at `path`."""

    path: Path

    @classmethod
    def at(cls, path: Path) -> "SmallDisk | None":
        """Mount it; None where we may not."""
        path.mkdir(parents=True, exist_ok=True)
        command = ["mount", "-t", "tmpfs", "-o", "size=2m,mode=0700", "tmpfs", str(path)]
        try:
            done = subprocess.run(command, capture_output=True, check=False) if os.geteuid() == 0 else None
        except OSError:
            done = None
        return cls(path) if done is not None and done.returncode == 0 else None

    def fill(self) -> None:
        """Leave no byte free."""
        with (self.path / "filler").open("wb", buffering=0) as file, contextlib.suppress(OSError):
            while True:
                file.write(bytes(4096))

    def free(self) -> None:
        (self.path / "filler").unlink(missing_ok=True)

    def remove(self) -> None:
        """Unmount it."""
        subprocess.run(["umount", "-l", str(self.path)], capture_output=True, check=False)
