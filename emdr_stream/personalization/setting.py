"""In: a configuration of the stimulation. Out: the four things of it that may be proposed, as one small value."""

from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from emdr_stream.domain import REPROCESSING_PHASES, Phase
from emdr_stream.wire.values import AudioConfig, SessionConfig

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Whole = NDArray[np.int64]

PATHS: Final = ("horizontal", "vertical", "diagonal_up", "infinity")
"""Paths that are proposed. A therapist may set any other; then none of these is the present one."""
SOUND_VOLUME: Final = 0.3
"""Volume with which sound is proposed, within the cap of 0.7 (domain notes: volume 0 to 0.7)."""

HARD_SPEED: Final = (0.2, 2.0)
"""Hz: what the wire takes (`wire/values.py`)."""
HARD_LENGTH: Final = (8.0, 90.0)
"""Seconds: what the wire takes."""


_SLACK: Final = 1e-6
"""Steps of 0.1 do not add up exactly."""


class Setting(msgspec.Struct, frozen=True):
    """One stimulation: path, `speed` in Hz (a cycle is left-right-left), `length` of a set in seconds, sound or
    none."""

    path: str = "horizontal"
    speed: float = 1.0
    length: float = 24.0
    sound: bool = False

    def __str__(self) -> str:
        return f"{self.path}, {self.speed:g} Hz, {self.length:g} s, {'with' if self.sound else 'without'} sound"


class Bounds(msgspec.Struct, frozen=True):
    """How far proposals may go: lowest and highest speed in Hz, shortest and longest set in seconds."""

    speed: tuple[float, float]
    length: tuple[float, float]

    def left_by(self, present: Setting, proposed: Setting) -> bool:
        """Whether a step leads out of the bounds, or further out: what a therapist set may lie beyond them."""
        return _left(self.speed, present.speed, proposed.speed) or _left(self.length, present.length, proposed.length)


def _left(bounds: tuple[float, float], present: float, proposed: float) -> bool:
    low, high = bounds
    return present < proposed > high + _SLACK or present > proposed < low - _SLACK


REPROCESSING: Final = Bounds((0.3, 1.5), (12.0, 40.0))
"""Processing 0.8 to 1.5 Hz and sets of 20 to 40 s are usual (domain notes, stimulation parameters); gentler is
allowed as far down as the adaptation goes. 1.5 Hz at 12 degrees is a peak of 113 degrees a second, below the 120 that
warn."""
RESOURCING: Final = Bounds((0.3, 0.6), (8.0, 24.0))
"""Safe place and closure: short slow sets (Shapiro 2018)."""


def bounds_of(phase: Phase | None) -> Bounds:
    """The bounds of a phase; an unknown phase is taken for reprocessing, in which proposals are asked for."""
    return REPROCESSING if phase is None or phase in REPROCESSING_PHASES else RESOURCING


def setting_of(config: SessionConfig) -> Setting:
    """What a configuration says, and the defaults where it says nothing."""
    default = Setting()
    audio = config.audio_config
    return Setting(
        path=default.path if config.pattern_type is None else config.pattern_type,
        speed=default.speed if config.speed is None else float(config.speed),
        length=default.length if config.duration is None else float(config.duration),
        sound=audio is not None and audio.volume > 0.0,
    )


def config_of(setting: Setting, present: SessionConfig, effectiveness: float | None) -> SessionConfig:
    """The whole configuration with `setting` in force; what is not proposed stays as in `present`."""
    audio = present.audio_config
    if setting.sound != (audio is not None and audio.volume > 0.0):
        volume = SOUND_VOLUME if setting.sound else 0.0
        audio = msgspec.structs.replace(audio or AudioConfig(), volume=volume)
    return msgspec.structs.replace(
        present,
        pattern_type=setting.path,
        speed=setting.speed,
        duration=setting.length,
        audio_config=audio,
        predicted_effectiveness=effectiveness,
    )
