"""In: the tests that pytest collected, for several workers (`-n 2`). Out: who runs what, and at once what failed.

A file's tests share what its fixtures start, so one worker has all of them. The order is that of a run without workers:
the many short files come last, and no worker is left alone with a long one.
"""

from collections.abc import Mapping
from typing import Final

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadFileScheduling

_TOGETHER: Final[Mapping[str, str]] = {"tests/system/test_speakers.py": "tests/system/test_pauses.py"}
"""Files of one worker: they share scenes that take most of a minute, `stage` of tests/system/conftest.py."""

_WHY_CHARACTERS: Final = 400


class WholeFiles(LoadFileScheduling):  # type: ignore[misc] # it ships no types
    """xdist's scheduler of whole files, to which some files are one."""

    def _split_scope(self, nodeid: str) -> str:
        file = str(super()._split_scope(nodeid))
        return _TOGETHER.get(file, file)


def whole_files(config: pytest.Config, log: Producer) -> WholeFiles:
    """The scheduler of a run. xdist would begin with the files of most tests, and end with those that take longest."""
    config.option.loadscopereorder = False
    return WholeFiles(config, log)


class FailuresAtOnce:
    """Names each test that failed when it does, and why: the lines of dots of several workers name no file."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        terminal = self._config.pluginmanager.get_plugin("terminalreporter")
        if report.failed and terminal is not None:
            crash = getattr(report.longrepr, "reprcrash", None)
            why = str(crash.message if crash is not None else report.longrepr).partition("\n")[0][:_WHY_CHARACTERS]
            terminal.ensure_newline()
            terminal.write_line(f"FAILED {report.nodeid} ({report.when}): {why}")
