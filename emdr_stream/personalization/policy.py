"""In: beliefs about benefit and leaving, arms that the mask allows. Out: the probability of each arm, and one of them.

Thompson sampling: an arm is chosen as often as it is the best one in draws from the belief. Before that, a stage-wise
conservative constraint leaves out arms that may be worse than the therapist's own setting (arXiv 2010.00081); after it,
a short list with probabilities within [0.1, 0.8], so that what was not chosen can be judged later. The action is drawn
from these very probabilities: what is logged is the propensity itself, whatever the number of draws behind it.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from emdr_stream.personalization.belief import Belief
from emdr_stream.personalization.features import N_ACTION
from emdr_stream.personalization.setting import Bools, Floats, Whole

_TIE: Final = 1e-9


@dataclass(frozen=True, slots=True)
class Rules:
    """`margin`: points of SUD by which an arm may be worse than the reference at the lower bound, `lower_z` standard
    deviations below its mean. `leaving_margin`: chance of leaving the window that an arm may add at its upper bound,
    `upper_z` above. `listed`: arms at most that have a probability; `least`, `most`: its bounds."""

    margin: float = 0.3
    lower_z: float = 1.28
    leaving_margin: float = 0.005
    upper_z: float = 0.25
    listed: int = 4
    least: float = 0.1
    most: float = 0.8

    def __post_init__(self) -> None:
        if not (self.listed >= 2 and 0.0 < self.least * self.listed < 1.0 and self.least + self.most <= 1.0):
            raise ValueError("the list must hold two arms or more, and its bounds leave each of them a probability")


def conservative(
    benefit: Belief, leaving: Belief, action: Floats, mask: Bools, reference: Whole, rules: Rules
) -> Bools:
    """Which allowed arms (N, K) are surely enough no worse than the reference (N,); all of them where there is none.

    `action`: (N, K, N_ACTION). The reference itself always stays.
    """
    rows = np.arange(len(mask))
    difference = action - action[rows, np.maximum(reference, 0)][:, None, :]
    gain, doubt = _action_part(benefit).of_rows(difference)
    more, unsure = _action_part(leaving).of_rows(difference)
    fine = (gain - rules.lower_z * doubt >= -rules.margin) & (more + rules.upper_z * unsure <= rules.leaving_margin)
    fine[rows, np.maximum(reference, 0)] = True
    return mask & (fine | (reference < 0)[:, None])


def best_shares(benefit: Belief, action: Floats, allowed: Bools, draws: Floats) -> Floats:
    """How often each allowed arm (N, K) is the best one. `draws`: (M, N_ACTION + K) of a standard normal; the last K
    decide between arms that are alike."""
    part = _action_part(benefit)
    root = np.linalg.cholesky(part.covariance + 1e-12 * np.eye(N_ACTION))
    along = np.einsum("nka,nab->nkb", action, root, optimize=True)
    drawn = along @ draws[:, :N_ACTION].T + np.einsum("nka,na->nk", action, part.mean)[:, :, None]
    drawn += _TIE * draws[:, N_ACTION:].T
    drawn = np.where(allowed[:, :, None], drawn, -np.inf)
    best = drawn.argmax(axis=1)
    arms = np.arange(allowed.shape[1])
    shares: Floats = (best[:, None, :] == arms[:, None]).mean(axis=2)
    return shares


def propensities(shares: Floats, allowed: Bools, reference: Whole, rules: Rules) -> Floats:
    """Probabilities (N, K) within [least, most] on a list of `listed` arms: the reference and those that are the best
    most often. One arm alone has probability 1."""
    n, arms = shares.shape
    rank = np.where(allowed, shares, -1.0)
    has = reference >= 0
    rank[np.flatnonzero(has), reference[has]] = 2.0
    order = np.argsort(-rank, axis=1, kind="stable")
    place = np.empty_like(order)
    np.put_along_axis(place, order, np.broadcast_to(np.arange(arms), (n, arms)), axis=1)
    listed = allowed & (place < rules.listed)
    count = listed.sum(axis=1, keepdims=True)
    kept = np.where(listed, shares, 0.0)
    total = kept.sum(axis=1, keepdims=True)
    kept = np.where(total > 0.0, kept / np.maximum(total, _TIE), listed / count)
    found = np.where(listed, rules.least + (1.0 - rules.least * count) * kept, 0.0)
    over = np.maximum(found - rules.most, 0.0)
    others = listed & (over == 0.0)
    found = found - over + np.where(others, over.sum(axis=1, keepdims=True) / np.maximum(count - 1, 1), 0.0)
    return np.where(count == 1, listed.astype(float), found)


def chosen(probabilities: Floats, uniforms: Floats) -> Whole:
    """One arm of each row (N,), with those probabilities; `uniforms` (N,) in [0, 1)."""
    heap = np.cumsum(probabilities, axis=1)
    heap /= heap[:, -1:]
    found = (heap <= uniforms[:, None]).sum(axis=1)
    # A sum that falls short of 1 by rounding must not give an arm without a probability.
    last = probabilities.shape[1] - 1 - np.argmax(probabilities[:, ::-1] > 0.0, axis=1)
    drawn: Whole = np.minimum(found, last)
    return drawn


def _action_part(belief: Belief) -> Belief:
    return Belief(belief.mean[:, :N_ACTION], belief.covariance[:, :N_ACTION, :N_ACTION])
