"""In: windows of real and simulated streams. Out: their figures, side by side."""

from collections.abc import Mapping
from dataclasses import dataclass

from training.compare.statistics import FaceFigures, Floats, HeartFigures, face_figures, heart_figures
from training.compare.streams import STEP_S


@dataclass(frozen=True, slots=True)
class Comparison:
    """Windows and heart rates by where they are from; the simulator's come first."""

    faces: Mapping[str, list[Floats]]
    cameras: Mapping[str, list[Floats]]
    hearts: Mapping[str, list[Floats]]

    def face_figures(self) -> dict[str, FaceFigures]:
        return {name: face_figures(windows, STEP_S) for name, windows in self.faces.items()}

    def camera_figures(self) -> dict[str, FaceFigures]:
        return {name: face_figures(windows, STEP_S) for name, windows in self.cameras.items()}

    def heart_figures(self) -> dict[str, HeartFigures]:
        return {name: heart_figures(paths) for name, paths in self.hearts.items()}
