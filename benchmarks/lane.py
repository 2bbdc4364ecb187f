"""Compares the lane's echo with Starlette's echo: rounds of both in turn go in, CPU per message comes out.

`python -m benchmarks.lane` takes about two minutes; server on core 0, load client on core 1.
"""

import argparse
import statistics
from contextlib import ExitStack

from benchmarks.plan import LoadPlan
from benchmarks.processes import RunningServer, load, server

MESSAGE_BYTES = 292
"""The message size of all echo figures, so that they can be compared with one another."""


def cpu_us_per_message(running: RunningServer, connections: int, seconds: float) -> float:
    """One closed-loop run: the server's CPU time ÷ echoed messages, in µs."""
    plan = LoadPlan(
        port=running.port,
        path="/echo",
        connections=connections,
        seconds=seconds,
        script="benchmarks.scripts:echo",
        script_args={"message_bytes": MESSAGE_BYTES},
        server_pid=running.pid,
    )
    report = load(plan)
    if report.cpu_us_per_reply is None:
        raise RuntimeError("no message was echoed: is the server's process number right?")
    return report.cpu_us_per_reply


def compare(connections: int, rounds: int, seconds: float) -> None:
    """Measure both servers in turn, so that a change of the machine's speed meets both; print the medians."""
    with ExitStack() as servers:
        baseline = servers.enter_context(server("benchmarks.echo"))
        lane = servers.enter_context(server("benchmarks.lane_echo"))
        measured = []
        for number in range(1, rounds + 1):
            pair = (
                cpu_us_per_message(baseline, connections, seconds),
                cpu_us_per_message(lane, connections, seconds),
            )
            measured.append(pair)
            print(f"  round {number}: echo {pair[0]:6.2f}   lane {pair[1]:6.2f}   echo ÷ lane {pair[0] / pair[1]:.2f}")
    medians = [statistics.median(column) for column in zip(*measured, strict=True)]
    ratio = statistics.median(first / second for first, second in measured)
    print(f"  median : echo {medians[0]:6.2f}   lane {medians[1]:6.2f}   echo ÷ lane {ratio:.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.lane", description=__doc__)
    parser.add_argument("--connections", type=int, nargs="+", default=[50, 500])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4.0, help="length of one measured run (default 4)")
    arguments = parser.parse_args()
    for connections in arguments.connections:
        print(f"{connections} connections, {MESSAGE_BYTES} bytes, CPU µs per message of the server")
        compare(connections, arguments.rounds, arguments.seconds)


if __name__ == "__main__":
    main()
