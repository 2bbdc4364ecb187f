"""In: constants and draws. Out: invented clients, and what a set of stimulation does to each of them.

Written apart from the learner, and not of its kind: effects are shares of what there is to lose, they saturate, and the
window has an edge. Nothing here is a claim about people; docs/personalization.md has each constant with its source.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np

from emdr_stream.personalization.arms import INDEX, Arm, Settings
from emdr_stream.personalization.outcomes import LEAVING_WEIGHT, RECOVERY_WEIGHT
from emdr_stream.personalization.setting import PATHS, Bools, Floats, Whole
from emdr_stream.simulation.parameters import Parameters

_SIMULATOR: Final = Parameters()
_ROOT_TWO: Final = 1.4142135623730951
Column: TypeAlias = "Callable[[Floats], Floats]"
"""Brings values of clients (N,) to the shape of settings."""


@dataclass(frozen=True, slots=True)
class World:
    """Constants; pairs are mean and SD over clients. `decay`, `rise`, `noise`, `sud`, `edge` are the simulator's.

    `speed_gain`: share of the fall that a rise of speed far above 1 Hz adds; `length_power`: the fall goes with
    (length / 24 s) to it; `path_gain`, `sound_gain`: share that each path and sound add. `speed_load` of 0.2 Hz and
    `length_load` of 4 s: what they add to the highest activation of a set. `carried`: share of the activation not
    recovered from that the next set begins with. `effective`: False in a world where no configuration does anything.
    """

    name: str = "as assumed"
    sud: tuple[float, float] = _SIMULATOR.sud_start
    decay: tuple[float, float] = _SIMULATOR.sud_decay
    rise: float = _SIMULATOR.sud_first_rise_share
    noise: float = _SIMULATOR.sud_noise
    edge: tuple[float, float] = _SIMULATOR.window_edge
    rest: tuple[float, float] = (0.10, 0.08)
    sud_load: float = 0.035
    activation_noise: float = 0.12
    speed_gain: tuple[float, float] = (0.25, 0.35)
    length_power: tuple[float, float] = (0.3, 0.3)
    path_gain: tuple[float, float] = (0.0, 0.15)
    sound_gain: tuple[float, float] = (-0.05, 0.15)
    speed_load: tuple[float, float] = (0.01, 0.03)
    length_load: tuple[float, float] = (0.02, 0.02)
    recovery: tuple[float, float] = (0.75, 0.12)
    carried: float = 0.3
    shaken_sud: float = 0.5
    watch_share: float = 0.35
    rebound: float = 0.3
    effective: bool = True


WORLDS: Final = (
    World(),
    World("nothing has an effect", effective=False),
    World(
        "no benefit, some cost",
        speed_gain=(0.0, 0.0),
        length_power=(0.0, 0.0),
        path_gain=(0.0, 0.0),
        sound_gain=(0.0, 0.0),
    ),
    World("contrary: faster is worse", speed_gain=(-0.25, 0.35), speed_load=(0.04, 0.03)),
    World("fragile: a narrow window", edge=(0.55, 0.08)),
)


@dataclass(frozen=True, slots=True)
class Clients:
    """N invented clients, columns (N,); `path_gain` (N, paths)."""

    sud: Floats
    decay: Floats
    edge: Floats
    rest: Floats
    speed_gain: Floats
    length_power: Floats
    path_gain: Floats
    sound_gain: Floats
    speed_load: Floats
    length_load: Floats
    recovery: Floats


@dataclass(frozen=True, slots=True)
class State:
    """How N clients are between two sets (N,): true `sud`, and `tension` that was not recovered from."""

    sud: Floats
    tension: Floats


@dataclass(frozen=True, slots=True)
class Luck:
    """Standard normal draws (N,) of one set, the same for every way of deciding."""

    activation: Floats
    fall: Floats
    recovery: Floats


@dataclass(frozen=True, slots=True)
class Happened:
    """Of a set, whatever its shape: highest `activation`, true `sud` after it, `recovery` 0..1, whether the window was
    `left`, and for how many seconds."""

    sud: Floats
    recovery: Floats
    left: Bools
    outside_s: Floats
    tension: Floats


def draw_clients(world: World, n: int, rng: np.random.Generator) -> Clients:
    """The first draws of a generator are the same clients in every world."""
    z = rng.standard_normal((14, n))

    def spread(pair: tuple[float, float], row: int) -> Floats:
        found: Floats = pair[0] + pair[1] * z[row]
        return found

    on = float(world.effective)
    return Clients(
        sud=np.clip(spread(world.sud, 0), 3.0, 10.0),
        decay=np.clip(spread(world.decay, 1), -0.1, 0.5),
        edge=spread(world.edge, 2),
        rest=spread(world.rest, 3),
        speed_gain=on * spread(world.speed_gain, 4),
        length_power=on * spread(world.length_power, 5),
        path_gain=on * (world.path_gain[0] + world.path_gain[1] * z[6 : 6 + len(PATHS)].T),
        sound_gain=on * spread(world.sound_gain, 10),
        speed_load=on * spread(world.speed_load, 11),
        length_load=on * spread(world.length_load, 12),
        recovery=np.clip(spread(world.recovery, 13), 0.2, 1.0),
    )


def tense(world: World, clients: Clients, state: State) -> Bools:
    """Whether a good safety monitor would be at WATCH between these two sets."""
    return clients.rest + state.tension > world.watch_share * clients.edge


def eased(world: World, state: State, arm: Whole) -> State:
    """A pause or grounding before the set takes tension away."""
    if not world.effective:
        return state
    share = np.where(arm == INDEX[Arm.PAUSE], 0.4, np.where(arm == INDEX[Arm.GROUNDING], 0.3, 1.0))
    return State(state.sud, state.tension * share)


def run_set(world: World, clients: Clients, state: State, found: Settings, luck: Luck) -> Happened:
    """What a set with each client's setting does; settings (N,) or (N, K), and the answer of that shape."""
    many = found.speed.ndim == 2

    def column(values: Floats) -> Floats:
        return values[:, None] if many else values

    peak = _peak(world, clients, column, state, found) + world.activation_noise * column(luck.activation)
    left = peak > column(clients.edge)
    share = _fall_share(clients, column, found)
    slope = column(clients.decay) * share + 0.05 * column(luck.fall)
    kept = column(state.sud) * np.exp(-np.clip(slope, -0.3, 1.0))
    sud = np.clip(np.where(left, column(state.sud) + world.shaken_sud, kept), 0.0, 10.0)
    over = np.maximum(peak / column(clients.edge) - 0.8, 0.0)
    recovery = np.clip(column(clients.recovery) + 0.1 * column(luck.recovery) - over, 0.0, 1.0)
    outside = np.where(left, 10.0 + 60.0 * (peak - column(clients.edge)), 0.0)
    return Happened(sud, recovery, left, outside, world.carried * (1.0 - recovery) * np.maximum(peak, 0.0))


def expected_reward(world: World, clients: Clients, state: State, found: Settings) -> Floats:
    """Mean reward (N, K) of settings (N, K), up to what is the same for all: ratings are taken for the truth."""

    def column(values: Floats) -> Floats:
        return values[:, None]

    peak = _peak(world, clients, column, state, found)
    leaving = 0.5 * (1.0 - _erf((column(clients.edge) - peak) / (world.activation_noise * _ROOT_TWO)))
    slope = np.clip(column(clients.decay) * _fall_share(clients, column, found), -0.3, 1.0)
    fall = column(state.sud) * (1.0 - np.exp(-slope))
    recovery = np.clip(column(clients.recovery) - np.maximum(peak / column(clients.edge) - 0.8, 0.0), 0.0, 1.0)
    shaken = -world.shaken_sud - LEAVING_WEIGHT
    return (1.0 - leaving) * fall + leaving * shaken + RECOVERY_WEIGHT * recovery


def rated(world: World, sud: Floats, noise: Floats) -> Floats:
    """A rating: a whole number about the level."""
    found: Floats = np.clip(np.round(sud + world.noise * noise), 0.0, 10.0)
    return found


def _peak(world: World, clients: Clients, column: Column, state: State, found: Settings) -> Floats:
    return (
        column(clients.rest)
        + column(state.tension)
        + world.sud_load * column(state.sud)
        + column(clients.speed_load) * (found.speed - 1.0) / 0.2
        + column(clients.length_load) * (found.length - 24.0) / 4.0
    )


def _fall_share(clients: Clients, column: Column, found: Settings) -> Floats:
    rows = np.arange(len(clients.sud)).reshape((-1, *[1] * (found.path.ndim - 1)))
    by_path = np.where(found.path >= 0, clients.path_gain[rows, np.maximum(found.path, 0)], 0.0)
    speed = 1.0 + column(clients.speed_gain) * np.tanh((found.speed - 1.0) / 0.4)
    length = (found.length / 24.0) ** column(clients.length_power)
    return np.maximum(speed * length * (1.0 + by_path + column(clients.sound_gain) * found.sound), 0.0)


def _erf(x: Floats) -> Floats:
    """To 1.5e-7 (Abramowitz and Stegun 1964, 7.1.26)."""
    t = 1.0 / (1.0 + 0.3275911 * np.abs(x))
    series = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))))
    found: Floats = np.sign(x) * (1.0 - series * np.exp(-(x**2)))
    return found
