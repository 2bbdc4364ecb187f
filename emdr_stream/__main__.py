"""Arguments of the command line go in, an exit code comes out: 0 done, 1 failed, 2 wrong arguments or settings."""

import argparse
import importlib
import os
import sys
from collections.abc import Sequence
from typing import Final, cast

from emdr_stream import __version__
from emdr_stream.cli.command import Command
from emdr_stream.errors import ConfigurationError

COMMANDS: Final = {
    "serve": "run the service, with embedded stores unless their URLs are set",
    "token": "print a token for a client, a therapist or a back end",
    "settings": "list every setting with its default, its value and its meaning",
    "doctor": "check models, stores, port and packages, and say how to mend what is wrong",
    "models": "check the models, or fetch the one for webcam frames",
    "analyze": "show what pictures, videos or a camera show of a face",
    "audit": "check that the audit log is whole",
    "replay": "play a recorded session through the same code again",
    "evaluate": "score the service on labelled recordings, on this machine",
    "progress": "forecast a course of therapy from its ratings, for the therapist",
    "personalization": "export the proposals of the pattern optimiser, and judge them",
    "export": "write a client's records as CSV, JSON Lines, Parquet or FHIR, or a session's report",
    "simulate": "be one client, or a thousand",
    "demo": "show a whole session in two minutes: service, simulated client, console",
}
"""Name and summary of each; its module emdr_stream.cli.<name> is imported when it is asked for, so --help is fast."""

_EPILOG: Final = """examples:
  emdr-stream serve
  emdr-stream token --role therapist --clients '*'
  emdr-stream doctor

`emdr-stream COMMAND --help` tells more. Settings are EMDR_ variables or lines of a .env file."""

_DONE, _FAILED, _WRONG, _INTERRUPTED = 0, 1, 2, 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command. Faults become one line on stderr; Ctrl-C ends quietly."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        code = _run(arguments)
        sys.stdout.flush()
        return code
    except ConfigurationError as problem:
        return _failed(str(problem), _WRONG)
    except KeyboardInterrupt:
        return _INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output has enough; the interpreter must not complain when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _DONE
    except Exception as problem:
        if os.environ.get("EMDR_LOG_LEVEL", "").upper() == "DEBUG":
            raise
        return _failed(f"{type(problem).__name__}: {problem} (EMDR_LOG_LEVEL=DEBUG shows where)", _FAILED)


def _run(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="emdr-stream",
        description="Real-time WebSocket service behind EMDR therapy software.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"emdr-stream {__version__}")
    subparsers = parser.add_subparsers(title="commands", dest="command", metavar="COMMAND", required=True)
    command = None
    for name, summary in COMMANDS.items():
        if arguments[:1] == [name]:
            command = cast(Command, importlib.import_module(f"emdr_stream.cli.{name}"))
            command.add_parser(subparsers, summary)
        else:
            subparsers.add_parser(name, help=summary)
    try:
        args = parser.parse_args(arguments)
    except SystemExit as stop:  # --help and --version, or arguments that argparse has already explained
        return stop.code if isinstance(stop.code, int) else _WRONG
    if command is None:
        parser.error("name the command first")
    return command.run(args)


def _failed(message: str, code: int) -> int:
    print(f"emdr-stream: {message}", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
