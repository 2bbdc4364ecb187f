"""What face workers are started with, and what is counted of them."""

from dataclasses import dataclass, field
from pathlib import Path

from emdr_stream.domain import Limits


@dataclass(frozen=True, slots=True)
class FaceSettings:
    """What the face workers are started with. Paths: None is where they usually are."""

    size: int = 1
    """Worker processes; each reads some hundred pictures a second and takes about 150 MiB, and 25 for each camera."""
    limits: Limits = field(default_factory=Limits)
    landmarker_file: Path | None = None
    models_dir: Path | None = None
    deadline_s: float = 1.0
    """Longest time for a picture; a large one takes 0.03."""
    first_deadline_s: float = 5.0
    """The same for a worker's first picture, which warms up the networks."""
    start_s: float = 60.0
    """Longest time for a worker's start."""
    load_s: float = 10.0
    """Longest time for every worker to load a version of the expression model while it reads; a tenth of a second is
    usual. What takes longer is refused."""


@dataclass(slots=True)
class FaceCounts:
    """What became of frames, and how many workers were replaced; since the start, never falling."""

    read: int = 0
    rejected: int = 0
    failed: int = 0
    restarts: int = 0


@dataclass(frozen=True, slots=True)
class FaceStatistics:
    """For metrics and for the frame rate that is offered: counts since the start, and how things stand now."""

    read: int
    rejected: int
    failed: int
    restarts: int
    workers: int
    ready: int
    seats: int
    waiting: int
    """Frames on their way, those that are being read included."""
    busy_share: float
    """Of the workers' last seconds, 0..1; the mean over workers."""
