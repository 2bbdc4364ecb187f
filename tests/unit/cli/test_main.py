"""How the command line finds its commands, and how it fails."""

import argparse
import importlib.util
import os
import subprocess
import sys
import types
from collections.abc import Callable
from pathlib import Path

import pytest

from emdr_stream import __version__
from emdr_stream.__main__ import COMMANDS, main
from emdr_stream.errors import ConfigurationError
from tests.unit.cli.conftest import Run

REPOSITORY = Path(__file__).resolve().parents[3]


def raising(problem: BaseException) -> Callable[[argparse.Namespace], int]:
    def run(_: argparse.Namespace) -> int:
        raise problem

    return run


def plant(monkeypatch: pytest.MonkeyPatch, run: Callable[[argparse.Namespace], int]) -> None:
    """Put a command of the test's own in the place of `settings`."""
    module = types.ModuleType("emdr_stream.cli.settings")
    module.add_parser = lambda subparsers, _: subparsers.add_parser("settings")  # type: ignore[attr-defined]
    module.run = run  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "emdr_stream.cli.settings", module)


def test_help_names_every_command_and_imports_none(run: Run) -> None:
    code, out, _ = run("--help")
    assert code == 0
    assert [name for name in COMMANDS if f"    {name}" not in out] == []
    script = "import sys; from emdr_stream.__main__ import main; main(['--help']); print('onnxruntime' in sys.modules)"
    told = subprocess.run([sys.executable, "-c", script], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert told.stdout.endswith("False\n")


@pytest.mark.parametrize("name", ["token", "settings", "doctor", "models"])
def test_each_command_has_help_with_examples(run: Run, name: str) -> None:
    code, out, _ = run(name, "--help")
    assert code == 0
    assert f"examples:\n  emdr-stream {name}" in out


def test_a_commands_summary_is_the_same_in_both_helps(run: Run) -> None:
    for name in ("token", "settings", "doctor", "models"):
        _, out, _ = run(name, "--help")
        assert COMMANDS[name].lower() in " ".join(out.lower().split())


def test_the_version_is_told(run: Run) -> None:
    assert run("--version") == (0, f"emdr-stream {__version__}\n", "")


@pytest.mark.parametrize("arguments", [(), ("invented",), ("settings", "--invented"), ("token", "--role", "admin")])
def test_wrong_arguments_are_explained_with_exit_code_2(run: Run, arguments: tuple[str, ...]) -> None:
    code, out, err = run(*arguments)
    assert (code, out) == (2, "")
    assert "usage: emdr-stream" in err


def test_a_bad_setting_is_one_line_and_exit_code_2(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMDR_PORT", "x")
    code, out, err = run("settings")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert err.startswith("emdr-stream: EMDR_PORT")


@pytest.mark.parametrize(
    ("problem", "code", "told"),
    [
        (ConfigurationError("mend this"), 2, "emdr-stream: mend this\n"),
        (ValueError("odd"), 1, "emdr-stream: ValueError: odd (EMDR_LOG_LEVEL=DEBUG shows where)\n"),
        (KeyboardInterrupt(), 130, ""),
    ],
)
def test_a_fault_is_one_line_and_ctrl_c_is_quiet(
    run: Run, monkeypatch: pytest.MonkeyPatch, problem: BaseException, code: int, told: str
) -> None:
    plant(monkeypatch, raising(problem))
    assert run("settings") == (code, "", told)


def test_with_debug_an_unknown_fault_shows_where(monkeypatch: pytest.MonkeyPatch) -> None:
    plant(monkeypatch, raising(ValueError("odd")))
    monkeypatch.setenv("EMDR_LOG_LEVEL", "DEBUG")
    with pytest.raises(ValueError, match="odd"):
        main(["settings"])


def test_a_reader_that_had_enough_is_no_fault() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "emdr_stream", "settings", "--json"]
    try:
        done = subprocess.run(command, cwd=REPOSITORY, stdout=writer, stderr=subprocess.PIPE, check=False)
    finally:
        os.close(writer)
    assert (done.returncode, done.stderr) == (0, b"")


def test_every_command_has_its_module() -> None:
    assert [name for name in COMMANDS if importlib.util.find_spec(f"emdr_stream.cli.{name}") is None] == []


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("simulate", "--url", "ws://127.0.0.1:1", "--seed", "-1"), "argument --seed: choose 0 or more"),
        (("personalization", "evaluate", "x", "--seed", "-1"), "argument --seed: choose 0 or more"),
    ],
)
def test_a_value_that_cannot_be_is_refused_by_the_name_of_its_option(
    run: Run, arguments: tuple[str, ...], told: str
) -> None:
    code, _, err = run(*arguments)
    assert code == 2 and told in err
