"""A goal's name in, its figures and verdict out: `python -m benchmarks g1 | ... | pauses | lane | expression | all`.

Exit status 0 when each goal's must is reached, 1 otherwise.
"""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from benchmarks import (
    alert_path,
    cameras,
    dashboard,
    expression,
    face_drift,
    faces,
    goals,
    instructions,
    lane,
    overload,
    pauses,
    publishing,
    records,
    stalls,
)
from benchmarks.machine import facts

_NAMES = ("g1", "g2", "g3", "g5", "g6", "g7", "pauses")
_APART = ("expression", "faces", "face-drift", "cameras", "instructions", "beside", "stalls", "overload", "dashboard")
"""Not part of all: they need a video of a face, or are no goal of their own."""
_VIDEO = Path("../shared/data/video/single_face.mp4")


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Measure the service against what is bare; server on core 0, load client and stores on core 1.",
        epilog="g1 CPU per message (2 min), g2 sessions a core (5 min a round), g3 added latency (2 min), g7 memory of"
        " a session (1 min): against Starlette's echo. g5 CPU of a live state, latency of an alert (3 min): against"
        " redis-py's publish. g6 records written a second (15 s): against asyncpg's COPY. pauses: how fast one leaves"
        " while both stores hang (30 s). instructions: what a message executes, counted by valgrind (1 min), also on a"
        " machine that is busy with other work; beside: the same with drift watched, and with a shadow (3 min)."
        " stalls: what held the loop under --sessions, and whom late answers are owed to (1 min). overload: more"
        " sessions than a core can serve, with and without a limit on its load (2 min, and 1 a round)."
        " expression: what crop and expression cost a frame (5 s). faces: g4,"
        " webcam frames against a bare landmarker, and their memory (2 min); cameras: how many the whole service serves"
        " on a core (3 min), both with a video of a face; face-drift: where the limits of quality come from (1 min)."
        " dashboard: what analytics asks, over ten million rows of seconds, against a plain scan (20 min).",
    )
    parser.add_argument("goal", choices=(*_NAMES, *_APART, "lane", "all"), nargs="?", default="all")
    parser.add_argument("--rounds", type=int, default=3, help="pairs of runs; medians count (default 3)")
    parser.add_argument("--seconds", type=float, default=None, help="measured time of a run (default: by goal)")
    parser.add_argument("--rate", type=float, default=None, help="samples a second of a session (default: by goal)")
    parser.add_argument("--sessions", type=int, default=None, help="of stalls (default 950) and overload (2000)")
    parser.add_argument("--results", type=float, default=60.0, help="most results a second, of stalls (default 60)")
    parser.add_argument("--rows", type=int, default=10_000_000, help="rows of seconds of dashboard (default 10^7)")
    parser.add_argument("--video", type=Path, default=_VIDEO, help=f"of a face (default {_VIDEO})")
    arguments = parser.parse_args()
    print(facts())
    if arguments.goal == "lane":
        for connections in (50, 500):
            print(f"\n{connections} connections, {lane.MESSAGE_BYTES} bytes, CPU µs per message of the server")
            lane.compare(connections, arguments.rounds, arguments.seconds or 4.0)
        return 0
    if arguments.goal in _APART:
        return 0 if _alone(arguments) else 1
    wanted = _NAMES if arguments.goal == "all" else (arguments.goal,)
    reached = [_measure(name, arguments) for name in wanted]
    return 0 if all(reached) else 1


def _alone(arguments: argparse.Namespace) -> bool:
    """What is no goal of its own: whether it reached what it should, or measured at all."""
    video, seconds, rate_hz = arguments.video.resolve(), arguments.seconds, arguments.rate or 10.0
    sessions, rounds = arguments.sessions, arguments.rounds
    run: dict[str, Callable[[], bool | None]] = {
        "instructions": instructions.report,
        "beside": instructions.report_beside,
        "stalls": lambda: stalls.report(sessions or 950, seconds or 10.0, rate_hz, arguments.results),
        "overload": lambda: overload.report(sessions or 2_000, rounds, seconds or 10.0, rate_hz),
        "dashboard": lambda: dashboard.report(arguments.rows),
        "expression": expression.report,
        "face-drift": lambda: face_drift.drift(video.parents[1]),
        "cameras": lambda: cameras.sessions_a_core(video, seconds or 8.0, rate_hz),
        "faces": lambda: faces.report(video, rounds, seconds or 8.0),
    }
    return run[arguments.goal]() is not False


def _measure(name: str, arguments: argparse.Namespace) -> bool:
    rounds, seconds, rate_hz = arguments.rounds, arguments.seconds, arguments.rate
    if name == "g1":
        return goals.cpu(rounds, seconds or 5.0, rate_hz or 50.0)
    if name == "g2":
        return goals.sessions(rounds, seconds or 5.0, rate_hz or 10.0)
    if name == "g3":
        return goals.latency(rounds, seconds or 15.0, rate_hz or 10.0)
    if name == "g5":
        cpu = publishing.publisher_cpu(rounds, seconds or 5.0, rate_hz or 10.0)
        return alert_path.alert_latency(rounds, rate_hz or 10.0) and cpu
    if name == "pauses":
        return pauses.latency_of_pauses()
    if name == "g6":
        return records.throughput(rounds)
    return goals.memory(rounds)


if __name__ == "__main__":
    sys.exit(main())
