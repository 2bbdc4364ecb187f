"""In: sessions second by second. Out: detectors in torch, with or without a memory, told of the person or not.

The head is the shipped network's. With a memory, a gated recurrent unit (Cho et al. 2014) goes along the session beside
the features. All learn alike: the same losses, the same hidden signals, whole sessions at a time. Torch, and so this,
is for the study alone: what is shipped is trained by `training.fitting`, in numpy.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from training.config import NetworkConfig
from training.headroom.followed import Floats, Followed
from training.network import (
    CRISIS,
    GROUP_RARITY,
    GROUPS,
    N_STATES,
    RISK,
    RISK_SHARE,
    STATE_SHARE,
)

N_SAID: Final = CRISIS + 1
STEP: Final = 2
"""Seconds between the rows that are learned from; a session is asked twice, once for its even seconds."""
_LEAST_SD: Final = 0.05
_THINNED: Final = 40


@dataclass(frozen=True, slots=True)
class Kind:
    """A detector: whether it remembers, and whether it is told who the person is, which no stream tells."""

    memory: bool
    person: bool


class Detector(nn.Module):
    """Standardised inputs (sessions, n, width) to logits of states, risk and crisis (sessions, n, N_SAID)."""

    def __init__(self, width: int, config: NetworkConfig, memory: bool) -> None:
        super().__init__()
        self.narrow = nn.Sequential(nn.Linear(width, config.narrow), nn.ReLU())
        self.memory = nn.GRU(config.narrow, config.memory, batch_first=True) if memory else None
        widths = [width + (config.memory if memory else 0), *config.hidden]
        layers: list[nn.Module] = []
        for given, wanted in pairwise(widths):
            layers += [nn.Linear(given, wanted), nn.ReLU()]
        self.head = nn.Sequential(*layers, nn.Linear(widths[-1], N_SAID))

    def forward(self, x: Tensor) -> Tensor:
        if self.memory is None:
            return self.head(x)
        remembered, _ = self.memory(self.narrow(x))
        return self.head(torch.cat([x, remembered], dim=-1))


@dataclass(frozen=True, slots=True)
class Learned:
    """A trained detector; `mean`, `scale` (width,) standardise what it is told."""

    kind: Kind
    network: Detector
    mean: Tensor
    scale: Tensor

    def crisis(self, session: Followed) -> Floats:
        """Probability of a crisis in each second (n,)."""
        x = (_told(session, self.kind) - self.mean) * self.scale
        said = np.zeros(len(x))
        with torch.no_grad():
            for first in range(min(STEP, len(x))):
                said[first::STEP] = torch.sigmoid(self.network(x[None, first::STEP])[0, :, CRISIS]).double().numpy()
        return said


def learn(
    sessions: Sequence[Followed], kind: Kind, config: NetworkConfig, seed: int, progress: Callable[[int], None]
) -> Learned:
    """Fit on whole sessions for `config.epochs` passes; the same on one thread for the same seed."""
    torch.manual_seed(seed)
    rng = np.random.default_rng([seed, 29])
    mean, scale = _moments(sessions, kind)
    network = Detector(len(mean), config, kind.memory)
    optimiser = torch.optim.AdamW(network.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay)
    order = _batches(sessions, config.batch, rng)
    total = len(order) * config.epochs
    for epoch in range(config.epochs):
        for number, batch in enumerate(order if epoch == 0 else _batches(sessions, config.batch, rng)):
            now = (epoch * len(order) + number) / total
            for group in optimiser.param_groups:
                group["lr"] = config.learning_rate * min(1.0, 20.0 * now + 0.05) * 0.5 * (1.0 + np.cos(np.pi * now))
            some = [sessions[at] for at in batch]
            first = int(rng.integers(STEP))
            x = _varied(_stacked([_told(one, kind)[first::STEP] for one in some]), mean, scale, config)
            loss = _loss(network(x), some, first, config.crisis_share)
            optimiser.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(network.parameters(), config.longest_step)
            optimiser.step()
        progress(epoch + 1)
    return Learned(kind, network.eval(), mean, scale)


def _batches(sessions: Sequence[Followed], batch: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Numbers of sessions (batches, batch), those of one batch of nearly one length; a few are left out."""
    size = min(batch, len(sessions))
    lengths = np.array([len(one.times_ms) for one in sessions])
    order = np.argsort(lengths + rng.uniform(0.0, 40.0, len(lengths)))
    batches = order[len(order) % size :].reshape(-1, size)
    return rng.permutation(batches)


def _told(session: Followed, kind: Kind) -> Tensor:
    x = torch.from_numpy(session.inputs.astype(np.float32))
    if not kind.person:
        return x
    return torch.cat([x, torch.from_numpy(session.person).expand(len(x), -1)], dim=1)


def _stacked(parts: Sequence[Tensor]) -> Tensor:
    """Parts (n, ...) of several lengths in one, filled up with zeros."""
    return nn.utils.rnn.pad_sequence(list(parts), batch_first=True)


def _moments(sessions: Sequence[Followed], kind: Kind) -> tuple[Tensor, Tensor]:
    some = torch.cat([_told(one, kind)[::_THINNED] for one in sessions]).double()
    scale = 1.0 / some.std(dim=0, correction=0).clamp(min=_LEAST_SD)
    return some.mean(dim=0).float(), scale.float()


def _varied(x: Tensor, mean: Tensor, scale: Tensor, config: NetworkConfig) -> Tensor:
    """Standardised input with noise; in some sessions a group of signals is hidden, as with clients that lack it."""
    for columns, rarity in zip(GROUPS, GROUP_RARITY, strict=True):
        hidden = torch.rand(len(x), 1, 1) < config.drop_body_share * rarity
        of = torch.zeros(x.shape[-1], dtype=torch.bool)
        of[torch.from_numpy(columns)] = True
        x = x.masked_fill(hidden & of, 0.0)
    standard = (x - mean) * scale
    return standard + config.input_noise * torch.randn_like(standard)


def _loss(said: Tensor, sessions: Sequence[Followed], first: int, crisis_share: float) -> Tensor:
    """The shipped network's losses but that of the expected changes, as a mean over the rows."""

    def along(values: Sequence[NDArray[np.generic]]) -> Tensor:
        return _stacked([torch.from_numpy(each[first::STEP].astype(np.float32)) for each in values]).flatten()

    z = said.flatten(0, 1)
    state = along([one.state for one in sessions]).long().clamp(min=0)
    states = functional.cross_entropy(z[:, :N_STATES], state, reduction="none")
    risk = functional.binary_cross_entropy_with_logits(
        z[:, RISK], along([one.soft_risk for one in sessions]), reduction="none"
    )
    crisis = functional.binary_cross_entropy_with_logits(
        z[:, CRISIS], along([one.crisis for one in sessions]), reduction="none"
    )
    safety = along([one.safety_weight for one in sessions])
    errors = STATE_SHARE * along([one.state_weight for one in sessions]) * states
    errors = errors + safety * (RISK_SHARE * risk + crisis_share * crisis)
    return errors.mean()
