"""What a network says of faces that it was not trained on goes in, the corrections of its answers come out.

Two heads are joined, a part of the training data's prior is taken out, and one temperature is fitted: once for web
faces, chosen on FER+ (valid), and once for faces before a camera, where nobody knows how often each class occurs,
chosen on FER+ (valid) and on generated faces together.
"""

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from emdr_stream.domain import EMOTIONS
from training.expression.dataset import Faces
from training.expression.faces import UNSURE
from training.expression.landmarks import Floats
from training.expression.network import MEANT, N_CLASSES, SEEN, THIRD

JOY: Final = EMOTIONS.index("joy")
NEUTRAL: Final = EMOTIONS.index("neutral")
SURPRISE: Final = EMOTIONS.index("surprise")
GRIEVED: Final = [EMOTIONS.index(name) for name in ("sadness", "anger", "fear", "disgust")]
POSITIVE, CALM, DISTRESS = 0, 1, 2
GROUP: Final = np.array([{JOY: POSITIVE, NEUTRAL: CALM}.get(i, DISTRESS) for i in range(len(EMOTIONS))])
"""[7] the three of each of EMOTIONS; that of surprise is not used."""

INTENT_GRID: Final = (0.0, 0.15, 0.3, 0.5, 0.75, 1.0, 1.5)
PRIOR_GRID: Final = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8)
TEMPERATURE_GRID: Final = tuple(np.geomspace(0.3, 3.0, 61).tolist())
WEB_ERROR: Final = 0.04
"""Of the 0.05 that may be on the web: the rest of what another camera needs."""
CAMERA_INTENTS: Final = (0.0, 0.3, 0.5, 1.0, 2.0, 4.0)
CAMERA_POWERS: Final = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
CAMERA_DISTRESS: Final = 0.88
"""Recall of distress that a camera's answer must have where it is chosen: a missed distress is the worse harm."""
CAMERA_ERROR: Final = 0.10
"""As WEB_ERROR, on faces from elsewhere: what is allowed on the performers."""
_BINS: Final = 15


@dataclass(frozen=True, slots=True)
class Calibration:
    """logits = (seen * raters + intent * meant + third * last) / (seen + intent + third) - prior_power * log_prior,
    less `calm` for neutral and `glad` for joy, then divided by temperature; of the probabilities a part of `hedge` is
    spread evenly over all classes."""

    intent: float
    prior_power: float
    temperature: float
    log_prior: tuple[float, ...]
    hedge: float = 0.0
    seen: float = 1.0
    third: float = 0.0
    calm: float = 0.0
    glad: float = 0.0

    def correction(self) -> Floats:
        """[7] what is taken from the joined logits."""
        held = np.zeros(N_CLASSES, np.float32)
        held[NEUTRAL], held[JOY] = self.calm, self.glad
        return np.asarray(np.array(self.log_prior, np.float32) * np.float32(self.prior_power) + held, np.float32)

    def logits(self, said: Floats) -> Floats:
        """[n, 7] of the network's [n, N_OUT], or where `third` counts, of [n, N_OUT + 7]."""
        joined = self.seen * said[:, SEEN] + self.intent * said[:, MEANT]
        if self.third:
            joined = joined + self.third * said[:, THIRD]
        joined = joined / (self.seen + self.intent + self.third)
        return np.asarray((joined - self.correction()) / self.temperature, np.float32)

    def chances(self, said: Floats) -> Floats:
        """Probabilities [n, 7]."""
        return softmax(self.logits(said)) * np.float32(1 - self.hedge) + np.float32(self.hedge / N_CLASSES)


@dataclass(frozen=True, slots=True)
class Calibrations:
    """Of both answers: a camera's, and a web face's."""

    camera: Calibration
    web: Calibration


@dataclass(frozen=True, slots=True)
class Answers:
    """A network's [n, N_OUT] on faces; what most raters saw in them [n], UNSURE where two classes share the first
    place; what was meant [n], UNSURE where nobody knows."""

    said: Floats
    label: NDArray[np.int64]
    intent: NDArray[np.int64]


def answers(said: Floats, faces: Faces) -> Answers:
    """What was said of faces, with what is true of them."""
    top = np.sort(faces.votes, axis=1)
    label = np.where(top[:, -1] > top[:, -2], faces.votes.argmax(1), UNSURE)
    return Answers(said, label, faces.intent)


def calibrate(web: Answers, prior: Floats, floor: float) -> Calibration:
    """Choose the corrections on web faces that were not trained on. `prior` [7]: the training votes' shares.

    Two truths pull apart: what raters saw, with the web's many neutral and joyful faces, and what was meant, more even
    in its classes, as with faces that are posed or that hide little. Of the combinations with which at least `floor` of
    what raters saw is read, the one with the best sum of mean recalls of both truths is taken (or the most accurate
    one, where none reaches the floor), and then a temperature.
    """
    log_prior = _centred_log(prior)
    tried = [_tried(Calibration(intent, power, 1.0, log_prior), web) for intent in INTENT_GRID for power in PRIOR_GRID]
    enough = [t for t in tried if t[0] >= floor]
    chosen = max(enough, key=lambda t: t[1]) if enough else max(tried, key=lambda t: t[0])
    return with_temperature(chosen[2], web, WEB_ERROR)


def calibrate_camera(web: Answers, other: Answers, prior: Floats) -> Calibration:
    """Choose the corrections for a camera, whose classes count alike: on what was meant by web faces, and on `other`
    faces from elsewhere, neither trained on.

    Of the combinations with which both sets' distress is found as often as CAMERA_DISTRESS (or those that find most,
    where none does), the one with the best sum of both mean recalls is taken; then, on `other`, a temperature.
    """
    log_prior = _centred_log(prior)
    known = web.intent != UNSURE
    sets = ((web.said[known], web.intent[known]), (other.said, other.intent))
    tried = []
    for intent in CAMERA_INTENTS:
        for power in CAMERA_POWERS:
            candidate = Calibration(intent, power, 1.0, log_prior)
            chances = [(candidate.chances(said), true) for said, true in sets]
            found = min(three_recalls(*one)[DISTRESS] for one in chances)
            recalls = sum(mean_recall(said.argmax(1), true) for said, true in chances)
            tried.append((min(found, CAMERA_DISTRESS), recalls, candidate))
    return with_temperature(max(tried, key=lambda t: t[:2])[2], replace(other, label=other.intent), CAMERA_ERROR)


def _centred_log(prior: Floats) -> tuple[float, ...]:
    logs = np.log(np.maximum(prior, 1e-4))
    return tuple(float(x) for x in logs - logs.mean())


def _tried(candidate: Calibration, web: Answers) -> tuple[float, float, Calibration]:
    """Accuracy of what raters saw, and the sum of the mean recalls of both truths."""
    read, seen, meant = candidate.logits(web.said).argmax(1), web.label != UNSURE, web.intent != UNSURE
    recalls = mean_recall(read[seen], web.label[seen]) + mean_recall(read[meant], web.intent[meant])
    return float((read == web.label)[seen].mean()), recalls, candidate


def with_temperature(chosen: Calibration, web: Answers, error: float) -> Calibration:
    """The same with the highest temperature that keeps the calibration error on some faces within `error`, or
    else with the one of the least: as unsure as they allow, for another camera deserves less trust."""

    def tried(temperature: float) -> Calibration:
        return replace(chosen, temperature=temperature)

    seen = web.label != UNSURE
    errors = {t: calibration_error(tried(t).chances(web.said[seen]), web.label[seen]) for t in TEMPERATURE_GRID}
    within = [t for t, one in errors.items() if one <= error]
    return tried(max(within, default=min(errors, key=errors.__getitem__)))


def softmax(logits: Floats) -> Floats:
    """Along the last axis."""
    raised = np.exp(logits - logits.max(-1, keepdims=True))
    return np.asarray(raised / raised.sum(-1, keepdims=True), np.float32)


def log_loss(chances: Floats, label: NDArray[np.int64]) -> float:
    """Mean of -log p of the true class."""
    return float(-np.log(np.maximum(chances[np.arange(len(label)), label], 1e-7)).mean())


def calibration_error(chances: Floats, label: NDArray[np.int64]) -> float:
    """Expected calibration error of the first choice over 15 equal bins (Guo et al. 2017, arXiv 1706.04599)."""
    sure, right = chances.max(1), chances.argmax(1) == label
    which = np.minimum((sure * _BINS).astype(int), _BINS - 1)
    gaps = [abs(sure[which == b].sum() - right[which == b].sum()) for b in range(_BINS)]
    return float(sum(gaps) / len(label))


def macro_f1(read: NDArray[np.int64], label: NDArray[np.int64]) -> float:
    """The mean F1 of the classes that occur in `label`."""
    present = np.unique(label)
    scores = [
        2 * ((read == c) & (label == c)).sum() / max(int((read == c).sum() + (label == c).sum()), 1) for c in present
    ]
    return float(np.mean(scores))


def mean_recall(read: NDArray[np.int64], label: NDArray[np.int64]) -> float:
    """The mean recall of the classes that occur in `label`."""
    return float(np.mean([(read[label == c] == c).mean() for c in np.unique(label)]))


def three_recalls(chances: Floats, label: NDArray[np.int64]) -> list[float]:
    """The recalls of POSITIVE (joy), CALM (neutral) and DISTRESS (sadness, anger, fear, disgust), each of which must
    occur. Faces of surprise, which is either, are left out, and so is its probability."""
    kept = label != SURPRISE
    groups = np.stack([chances[:, JOY], chances[:, NEUTRAL], chances[:, GRIEVED].sum(1)], 1)[kept]
    true, read = GROUP[label[kept]], groups.argmax(1)
    return [float((read[true == i] == i).mean()) for i in (POSITIVE, CALM, DISTRESS)]


def concordance(said: Floats, true: Floats) -> float:
    """Lin's concordance correlation coefficient (Lin 1989, doi 10.2307/2532051)."""
    joint = ((said - said.mean()) * (true - true.mean())).mean()
    return float(2 * joint / (said.var() + true.var() + (said.mean() - true.mean()) ** 2))
