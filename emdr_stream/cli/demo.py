"""In: the name of a scenario. Out: a service of its own, a simulated client, the pages' addresses, and what happens.

A newcomer sees within two minutes what the product is for: a calm beginning, an escalation, the pause, the alert and
its acknowledgement. Everything is real but the client, who is simulated; the data folder is thrown away at the end.
"""

import argparse
import asyncio
import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import webbrowser
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec
import numpy as np
from websockets.exceptions import ConnectionClosed

from emdr_stream.cli.command import Subparsers, new_parser
from emdr_stream.cli.narrator import Narrator, clock
from emdr_stream.cli.simulated_client import Observed, Script, SimulatedClient
from emdr_stream.domain import Role
from emdr_stream.endpoints.auth import TokenAuthority
from emdr_stream.environment import read_environment, token_settings
from emdr_stream.errors import ConfigurationError
from emdr_stream.simulation import Family, TimedMessage, session_messages, simulate_session

_TOKEN_S: Final = 3_600.0
_SIMULATED_S: Final = 180.0
"""Length of the simulated session of which a part is shown; the simulator's shortest."""
_WHOLE: Final = ("phase",)
"""Messages that are sent also when they stand in the part left out."""
_READING: Final = ("emotions", "dimensions", "signals")
_CLIENT: Final = "demo-client"
_THERAPIST: Final = "demo-therapist"
_LISTENING: Final = "is listening on port"
_LEFT_WITHIN_S: Final = 10.0
"""Until then its folder is tried to be removed again."""
_LAST_WORDS_S: Final = 0.5
"""What the service says of a session's end comes after the client was told."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """What the simulated client goes through: of a simulated session the part from `from_s` to `until_s`.

    Sessions begin with a long calm, of which a baseline needs only the end.
    """

    summary: str
    family: Family
    seed: int
    from_s: float
    until_s: float


SCENARIOS: Final = {
    "escalation": Scenario("distress rises until the session is paused", Family.PANIC, 30, 85.0, 180.0),
    "shutdown": Scenario("the client goes numb and drifts away", Family.SHUTDOWN, 25, 85.0, 180.0),
    "abreaction": Scenario(
        "strong feeling inside the window: nothing breaks off the work", Family.ABREACTION, 3, 45.0, 160.0
    ),
    "calm": Scenario("an uneventful session", Family.CALM, 1, 45.0, 160.0),
}
BASELINE_S: Final = 15
"""In place of a minute: a demo is short."""

_EXAMPLES: Final = """  emdr-stream demo                          distress rises, a pause, an alert: two minutes
  emdr-stream demo --scenario shutdown
  emdr-stream demo --no-browser --once      print everything here, and end with the session

Scenarios: {scenarios}."""


def add_parser(subparsers: Subparsers, summary: str) -> None:
    scenarios = "; ".join(f"{name} ({scenario.summary})" for name, scenario in SCENARIOS.items())
    parser = new_parser(subparsers, "demo", summary, _EXAMPLES.format(scenarios=scenarios))
    parser.add_argument("--scenario", choices=list(SCENARIOS), default="escalation", help="default: escalation")
    parser.add_argument("--port", type=_port, default=8001, help="port to listen on (default: 8001)")
    parser.add_argument("--no-browser", action="store_true", help="print the pages' addresses, open nothing")
    parser.add_argument("--once", action="store_true", help="end with the session; else the service goes on")
    parser.add_argument(
        "--patience",
        type=_patience,
        default=20.0,
        metavar="S",
        help="seconds that an alert waits for you before the demo acknowledges it itself (default: 20)",
    )


def run(args: argparse.Namespace) -> int:
    """Play the scenario. Exit code 1 when the client could not stream."""
    scenario = SCENARIOS[args.scenario]
    _need_port(args.port)
    with _told_to_end(), _folder() as folder, _service(folder, args.port, readings(args.scenario)) as address:
        tokens = _tokens(folder / "data")
        console = f"http://{address}/console#token={tokens[Role.THERAPIST]}"
        client = f"http://{address}/client#token={tokens[Role.CLIENT]}"
        print(f"The service listens on {address}. These links are for this machine, and for one hour:\n")
        print(f"  therapist's console   {console}\n  the client's page     {client}\n")
        print('On the client\'s page "Try it without a camera" plays the same scenario, with a light to stop.')
        if not args.no_browser and _has_display():
            webbrowser.open(client)
            webbrowser.open(console)
        print(f"A simulated client comes now: {scenario.summary}.\n", flush=True)
        seen = asyncio.run(_play(f"ws://{address}", tokens, scenario, args.patience))
        if seen.problem:
            print(f"\nthe client could not stream: {seen.problem}", file=sys.stderr)
            return 1
        print("\nThe session is over.", flush=True)
        if not args.once:
            print("The service goes on: open the pages, or end it with Ctrl-C.", flush=True)
            with contextlib.suppress(KeyboardInterrupt):
                threading.Event().wait()
    return 0


def script(scenario: Scenario) -> Script:
    """What the client sends, the long calm beginning left out: the same seed gives the same session.

    Nobody presses stop: what is to be seen is what the service notices by itself.
    """
    rng = np.random.default_rng([scenario.seed, 0])
    session = simulate_session(rng, scenario.family, duration_s=_SIMULATED_S)
    from_ms, until_ms = round(scenario.from_s * 1_000), round(scenario.until_s * 1_000)
    # Time 0 of `ts` is where the script begins: what was before has a negative one, and is not sent.
    messages = (timed for timed in session_messages(session, started_ts_ms=-from_ms) if timed.at_ms < until_ms)
    kept = (timed for timed in messages if timed.message["type"] in _WHOLE or timed.at_ms >= from_ms)
    shown = (timed for timed in kept if timed.message["type"] != "stop")
    moved = tuple(TimedMessage(max(0, timed.at_ms - from_ms), timed.message) for timed in shown)
    return Script(scenario.family.value, moved, until_ms - from_ms)


def readings(name: str) -> bytes:
    """The readings of a scenario as the client's page plays them: JSON, each with its milliseconds since the start."""
    samples = (timed for timed in script(SCENARIOS[name]).messages if timed.message["type"] == "sample")
    shown = [(timed.at_ms, {key: timed.message[key] for key in _READING if key in timed.message}) for timed in samples]
    return msgspec.json.encode({"scenario": name, "samples": shown})


async def _play(url: str, tokens: dict[Role, str], scenario: Scenario, patience_s: float) -> Observed:
    narrator = Narrator(clock(lambda words: print(words, flush=True)), patience_s)
    seen = Observed(scenario.family.value)
    async with asyncio.TaskGroup() as tasks:
        watching = tasks.create_task(_quietly(narrator, url, tokens[Role.THERAPIST]))
        await SimulatedClient(script(scenario), seen, deque(maxlen=1), 1.0).run(url, tokens[Role.CLIENT])
        await asyncio.sleep(_LAST_WORDS_S)
        watching.cancel()
    return seen


async def _quietly(narrator: Narrator, url: str, token: str) -> None:
    with contextlib.suppress(ConnectionClosed):
        await narrator.watch(url, token)


def _tokens(folder: Path) -> dict[Role, str]:
    authority = TokenAuthority(token_settings(read_environment(None, data_dir=folder), make_folder=False))
    now = time.time()
    return {
        Role.CLIENT: authority.issue(Role.CLIENT, _CLIENT, now=now, lifetime_s=_TOKEN_S),
        Role.THERAPIST: authority.issue(Role.THERAPIST, _THERAPIST, now=now, lifetime_s=_TOKEN_S, clients=["*"]),
    }


@contextlib.contextmanager
def _told_to_end() -> Iterator[None]:
    """A `kill` and a closed terminal end the demo as Ctrl-C does: its service and stores must not outlive it."""
    numbers = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
    numbers = [number for number in numbers if signal.getsignal(number) is not signal.SIG_IGN]  # as under nohup
    before = [signal.signal(number, signal.default_int_handler) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


@contextlib.contextmanager
def _folder() -> Iterator[Path]:
    """A data folder that other accounts may enter, because PostgreSQL leaves the root account."""
    folder = Path(tempfile.mkdtemp(prefix="emdr-demo-"))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        # A service that is ended while it starts goes at once, and its database writes on for a moment.
        until = time.monotonic() + _LEFT_WITHIN_S
        while folder.exists() and time.monotonic() < until:
            shutil.rmtree(folder, ignore_errors=True)
            time.sleep(0.05)


def _has_display() -> bool:
    """Whether a browser would open in a window; on a server one in the terminal would take the narration's place."""
    return sys.platform in ("darwin", "win32") or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def _need_port(port: int) -> None:
    """Raises ConfigurationError for a port that is taken, before stores are made for nothing."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as problem:
            raise ConfigurationError(
                f"--port {port} cannot be had ({problem.strerror}): choose another one, e.g. --port {port + 10}"
            ) from None


@contextlib.contextmanager
def _service(folder: Path, port: int, played: bytes) -> Iterator[str]:
    """`emdr-stream serve` in a process of its own; gives its address. Raises ConfigurationError with what it said."""
    (folder / "readings.json").write_bytes(played)
    print("Starting the service with stores of its own ...", flush=True)
    command = [sys.executable, "-m", "emdr_stream", "serve", "--port", str(port), "--data-dir", str(folder / "data")]
    environment = os.environ | {
        "EMDR_BASELINE_S": str(BASELINE_S),
        "EMDR_MODE": "development",
        "EMDR_DEMO_READINGS": str(folder / "readings.json"),
    }
    banner, log = folder / "banner", folder / "log"
    with banner.open("wb") as said, log.open("wb") as logged:
        # In a session of its own: Ctrl-C is ours, and the service is told to stop in good order.
        process = subprocess.Popen(command, env=environment, stdout=said, stderr=logged, start_new_session=True)
    try:
        while _LISTENING not in banner.read_text():
            if process.poll() is not None:
                raise ConfigurationError(f"the service did not start:\n{log.read_text().strip()}")
            time.sleep(0.1)
        yield f"127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


def _port(text: str) -> int:
    port = int(text)
    if not 1 <= port <= 65_535:
        raise argparse.ArgumentTypeError("choose between 1 and 65535")
    return port


def _patience(text: str) -> float:
    seconds = float(text)
    if not 1 <= seconds <= 600:
        raise argparse.ArgumentTypeError("choose between 1 and 600 seconds")
    return seconds
