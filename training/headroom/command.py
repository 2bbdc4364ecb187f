"""In: the arguments of `python -m training headroom`. Out: a table on the terminal; nothing is written.

Persons of a seed of their own, drawn as those of validation; nothing that is held out is looked at. Beside the shipped
version stand detectors that learn from the same simulated sessions: without a memory, with one, each with and without
being told who the person is; and two that read the true course itself, with everybody's window and with the person's
own. What the last two miss nobody can find; what lies between them and the others is not in the face, or not learned.
"""

import argparse
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np
from rich.console import Console
from rich.table import Table

from emdr_stream.errors import ConfigurationError
from emdr_stream.evaluation.bootstrap import Interval
from emdr_stream.inference.manifest import default_models_dir
from emdr_stream.recording.trials import usable_cores
from emdr_stream.simulation import Family, Parameters
from training.config import load_config
from training.dataset import run_tasks
from training.headroom.followed import EDGES_AT, Floats, Followed, asked, asked_randomised, to_learn_from
from training.headroom.found import SHOWN, Outcome, gain, outcome
from training.leaveout import CONTAINED
from training.network import uncompressed
from training.package import NAME, version_in_use
from training.replay import run_model
from training.run import Progress
from training.served import serve
from training.shown import Bars

EPILOG: Final = """examples:
  python -m training headroom
  python -m training headroom --without panic
  python -m training headroom --sessions 600 --asked 100 --epochs 2

Needs torch, which is in no lock file: pip install torch. About half an hour of processor time; on one kind of
processor and for one version of torch, the figures of one command are the same each time."""

_WIDE: Final = 200
_SHARPNESS: Final = 20.0
"""Log-odds for each way to the edge; any serves, for the threshold is swept."""
_GROUPS: Final = (
    "expressivity low",
    "expressivity middle",
    "expressivity high",
    "body_signals no",
    "body_signals yes",
    *(f"family {family.value}" for family in CONTAINED),
    *SHOWN,
)

Detector = Callable[[Followed], Floats]
"""Crisis probability in each second of a session (n,)."""


def add_parser(commands: Any) -> None:
    parser = commands.add_parser(
        "headroom",
        help="what could be found at all, by a memory or by who knew the person (needs torch)",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--sessions", type=int, default=8_000, help="to learn from (default: 8000)")
    parser.add_argument("--asked", type=int, default=1_000, help="to be asked for (default: 1000)")
    parser.add_argument(
        "--without",
        choices=[each.value for each in CONTAINED],
        help="learn from no session of this family, or of one that may hold its crises; the shipped version has",
    )
    parser.add_argument("--epochs", type=int, default=6, help="passes of each detector (default: 6)")
    parser.add_argument("--version", help="shipped version beside them (default: the one in use)")
    parser.add_argument("--processes", type=int, default=usable_cores(), help="how many simulate (default: up to 2)")


def run(args: argparse.Namespace, console: Console) -> int:
    """Exit code 0 when it was done, whatever the figures. Raises ConfigurationError."""
    if min(args.sessions, args.asked, args.epochs) < 1:
        raise ConfigurationError("--sessions, --asked and --epochs: at least 1")
    if not console.is_terminal:
        console.width = _WIDE
    with Bars(console) as bars:
        detectors = _detectors(args, bars)
        cohort = load_config().cohort
        for title, tasks in (
            ("persons as in validation", asked(cohort, args.asked)),
            ("every person and sensor randomised", asked_randomised(cohort, args.asked)),
        ):
            bars.begin(f"simulating {title}", args.asked)
            sessions = [one for one in run_tasks(tasks, args.processes, bars.reach) if len(one.times_ms)]
            found = _asked(detectors, sessions, bars)
            console.print(_table(title, found))
            console.print(_groups(title, found))
    return 0


def _asked(detectors: dict[str, Detector], sessions: Sequence[Followed], progress: Progress) -> list[Outcome]:
    """What each detector comes to on the same sessions."""
    found: list[Outcome] = []
    progress.begin("asking each detector", len(detectors))
    for name, detector in detectors.items():
        try:
            found.append(outcome(name, [one.course(detector(one)) for one in sessions]))
        except ValueError as problem:
            raise ConfigurationError(f"{problem} (--asked)") from None
        progress.reach(len(found))
    return found


def _detectors(args: argparse.Namespace, progress: Progress) -> dict[str, Detector]:
    """The shipped one, those that learn, and those that know; by name, in the order of the table."""
    version = args.version or version_in_use(default_models_dir())
    detectors = {f"{NAME} {version}, as it is": _shipped(version)}
    detectors.update(_learned(args, progress))
    p = Parameters()
    detectors["the true course, everybody's window"] = lambda one: _likeness(
        one.closeness(p.window_edge[0], p.low_edge[0])
    )
    detectors["the true course, the person's own window"] = lambda one: _likeness(
        one.closeness(*one.person[EDGES_AT : EDGES_AT + 2].tolist())
    )
    return detectors


def _learned(args: argparse.Namespace, progress: Progress) -> dict[str, Detector]:
    try:
        import torch

        from training.headroom.learned import Kind, learn
    except ImportError:
        raise ConfigurationError("this needs torch, which is in no lock file: pip install torch") from None
    torch.set_num_threads(1)
    config = load_config().from_nothing()
    network = replace(config.network, epochs=args.epochs)
    tasks = to_learn_from(replace(config.cohort, training_sessions=args.sessions), config.seed, network.drop_sets_share)
    progress.begin("simulating clients to learn from", args.sessions)
    sessions = seen(run_tasks(tasks, args.processes, progress.reach), args.without)
    if not sessions:
        raise ConfigurationError("nothing is left to learn from: more of --sessions")
    detectors: dict[str, Detector] = {}
    for name, kind in (
        ("no memory", Kind(memory=False, person=False)),
        ("memory", Kind(memory=True, person=False)),
        ("no memory, told of the person", Kind(memory=False, person=True)),
        ("memory, told of the person", Kind(memory=True, person=True)),
    ):
        progress.begin(f"learning: {name}", args.epochs)
        detectors[name] = learn(sessions, kind, network, config.seed, progress.reach).crisis
    return detectors


def seen(sessions: Sequence[Followed], without: str | None) -> list[Followed]:
    """Those with a row to learn from, and of no family that is hidden or may hold the hidden one's crises."""
    hidden = {without, *CONTAINED[Family(without)]} if without else set()
    return [one for one in sessions if len(one.times_ms) and one.truth.family not in hidden]


def _shipped(version: str) -> Detector:
    path = default_models_dir() / NAME / version / "model.onnx"
    try:
        model = serve(path.read_bytes())
    except OSError:
        raise ConfigurationError(f"there is no {NAME} {version}") from None

    def crisis(one: Followed) -> Floats:
        return run_model(model, one.times_ms, uncompressed(one.inputs.astype(np.float32))).crisis.astype(np.float64)

    return crisis


def _likeness(closeness: Floats) -> Floats:
    return np.asarray(1.0 / (1.0 + np.exp(-_SHARPNESS * (closeness - 1.0))))


def _table(title: str, found: Sequence[Outcome]) -> Table:
    """Shares found at each cost; gains are over the detector that learned without memory and person, the second."""
    table = Table(title=f"{title}: {found[0].events} events that count, {len(found[0].counts)} sessions")
    rates = [f"found at {each.false_alarms_per_hour:g}/h" for each in found[0].sweep.at]
    for heading in ("detector", *rates, "area 0-3/h", "gain at 1/h", "median s", "95th percentile s"):
        table.add_column(heading, overflow="fold")
    for each in found:
        shares = [_share(at.sensitivity) for at in each.sweep.at]
        shares[1] = _interval(each.found)
        more = "" if each is found[1] else _interval(gain(found[1], each), sign="+")
        area = _share(each.sweep.partial_area)
        table.add_row(each.name, *shares, area, more, f"{each.median_s:.1f}", f"{each.p95_s:.1f}")
    return table


def _groups(title: str, found: Sequence[Outcome]) -> Table:
    table = Table(title=f"{title}: found at 1/h, of how many, by person, sensor and what shows")
    for heading in ("detector", *_GROUPS):
        table.add_column(heading, overflow="fold")
    for each in found:
        table.add_row(each.name, *(_part(*each.by_group.get(group, (0, 0))) for group in _GROUPS))
    return table


def _part(found: int, events: int) -> str:
    return f"{found / events:.2f} of {events}" if events else "–"


def _share(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"


def _interval(each: Interval, sign: str = "") -> str:
    if each.value is None or each.low is None or each.high is None:
        return "–"
    return f"{each.value:{sign}.2f} ({each.low:{sign}.2f} to {each.high:{sign}.2f})"
