"""What a taught network says of faces that it was not trained on goes in, a camera's corrections come out.

The elders' answers are corrected already, for classes that count alike. What is left is to hold joy back until a
grimace is no smile, and neutral until distress is found: a missed distress is the worse harm.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from training.expression.calibration import (
    DISTRESS,
    JOY,
    Answers,
    Calibration,
    three_recalls,
    with_temperature,
)
from training.expression.dataset import Faces
from training.expression.distil import distressed
from training.expression.faces import UNSURE
from training.expression.landmarks import Floats
from training.expression.network import N_CLASSES

CALMS: Final = tuple(np.arange(-0.5, 2.01, 0.125).tolist())
GLADS: Final = tuple(np.arange(0.0, 2.01, 0.125).tolist())
FOUND: Final = (0.979, 0.96)
"""Recalls of distress that must be had, of generated faces and of what was meant by web faces: all but one of the
first, and what version 1 has of the second."""
MOST_SMILES: Final = 0.05
"""Of grimaces on the web that may be read as joyful: as many as version 1 does."""
MEAN_JOY: Final = 0.06
"""P(joy) that they may have on average, where version 1's is 0.078."""
SMILE: Final = 0.3
"""P(joy) by blendshapes alone from which a distressed face is a grimace."""
MOST_ERROR: Final = 0.10
"""Of calibration, on generated faces; what is allowed on performers."""
_THIRD: Final = Calibration(0.0, 0.0, 1.0, (0.0,) * N_CLASSES, seen=0.0, third=1.0)


@dataclass(frozen=True, slots=True)
class Group:
    """Some of the faces that a correction is chosen on: their rows [k], and what is true of them [k]."""

    said: Floats
    true: NDArray[np.int64]


def groups(web: Answers, other: Answers) -> tuple[Group, Group]:
    """Generated faces, and web faces by what was meant."""
    known = web.intent != UNSURE
    return Group(other.said, other.intent), Group(web.said[known], web.intent[known])


def grimaces(web: Answers, faces: Faces, smiling: Floats) -> Floats:
    """What is said of distressed web faces whose blendshapes are those of a smile. `faces`: those of `web`."""
    return np.asarray(web.said[distressed(faces.votes) & (smiling > SMILE)], np.float32)


def calibrate_third(judged: Sequence[Group], grimacing: Floats) -> Calibration:
    """Choose the corrections of the third answer. `judged`: as `groups`; `grimacing`: as `grimaces`.

    Joy is held back (`glad`) until grimaces are not read as joyful, and neutral (`calm`) until distress is found, each
    just as far as it takes, with the highest temperature that keeps the calibration error on generated faces within
    MOST_ERROR.
    """
    first = Answers(judged[0].said, judged[0].true, judged[0].true)
    chosen = _THIRD
    for glad in GLADS:
        for calm in CALMS:
            chosen = with_temperature(replace(_THIRD, glad=glad, calm=calm), first, MOST_ERROR)
            if _found(chosen, judged):
                break
        if _no_smiles(chosen, grimacing):
            break
    return chosen


def holds(candidate: Calibration, judged: Sequence[Group], grimacing: Floats) -> bool:
    """Whether distress is found and grimaces are no smiles, as the rule wants; it cannot make every network do so."""
    return _found(candidate, judged) and _no_smiles(candidate, grimacing)


def _found(candidate: Calibration, judged: Sequence[Group]) -> bool:
    return all(
        three_recalls(candidate.chances(group.said), group.true)[DISTRESS] >= must
        for group, must in zip(judged, FOUND, strict=True)
    )


def _no_smiles(candidate: Calibration, grimacing: Floats) -> bool:
    said = candidate.chances(grimacing)
    return float((said.argmax(1) == JOY).mean()) <= MOST_SMILES and float(said[:, JOY].mean()) <= MEAN_JOY
