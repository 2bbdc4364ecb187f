"""A number of sessions in, what held the service's loop and who made answers late out: stalls, each with its cause."""

import tempfile
from dataclasses import replace
from pathlib import Path

import msgspec

from benchmarks.goals import plan_of
from benchmarks.plan import LoadReport
from benchmarks.processes import load
from benchmarks.ramp import Probe
from benchmarks.service import service
from benchmarks.stall import LIMIT_S, Log, Stall, blamed

_SHOWN = 12


def report(sessions: int, seconds: float, rate_hz: float, result_rate_hz: float) -> None:
    """Put the service under load, every entry into its code timed (some 2 µs each), and print what that shows."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "stalls.json"
        with service(stalls=file) as ours:
            plan = plan_of(sessions, seconds, rate_hz)
            told = load(
                replace(
                    plan,
                    port=ours.port,
                    server_pid=ours.pid,
                    path="/v1/stream",
                    script="benchmarks.scripts:stream",
                    script_args={"token": ours.token, "rate_hz": rate_hz, "result_rate_hz": result_rate_hz},
                )
            )
        log = msgspec.json.decode(file.read_bytes(), type=Log).between(told.began, told.began + told.seconds)
    print(f"\n{Probe(sessions, told)}")
    _print_entries(log, told)
    _print_stalls("service", log.stalls)
    _print_stalls("load client", told.stalls)
    print(f"\n{len(told.late_answers)} answers later than 10 ms were looked at, by the longest stall around them")
    for cause, count in sorted(blamed(told.late_answers, log.stalls + told.stalls).items(), key=lambda item: -item[1]):
        print(f"  {count:6d}  {cause}")


def _print_entries(log: Log, told: LoadReport) -> None:
    if len(log.marks) < 2:
        raise RuntimeError("too short to say where the time goes: measure for three seconds at least (--seconds)")
    first, last = log.marks[0], log.marks[-1]
    messages = told.sent * (last.at - first.at) / told.seconds
    spent = {what: last.spent_s[what] - first.spent_s.get(what, 0.0) for what in last.spent_s}
    print("\n    calls  µs a call  µs a message")
    for what in sorted(spent, key=lambda each: -spent[each])[:_SHOWN]:
        calls = last.calls.get(what, 0) - first.calls.get(what, 0)
        each = f"{spent[what] / calls * 1e6:9.1f}" if calls else "        -"
        print(f"  {calls:7d}  {each}  {spent[what] / messages * 1e6:12.2f}  {what}")


def _print_stalls(who: str, stalls: list[Stall]) -> None:
    print(f"\n{who}: {len(stalls)} stalls longer than {LIMIT_S * 1e3:g} ms")
    causes: dict[str, list[float]] = {}
    for stall in stalls:
        causes.setdefault(stall.cause, []).append(stall.took_s * 1e3)
    for cause, took in sorted(causes.items(), key=lambda item: -sum(item[1]))[:_SHOWN]:
        print(f"  {len(took):6d} times, {sum(took):8.1f} ms in all, longest {max(took):6.1f} ms: {cause}")
