"""How the tests of the pages come to a browser on machines that have none: as root with apt, without, without a net.

apt-get, Playwright and the browser are scripts that write down what they are asked and leave what they would install;
everything that decides is the real one. What a real apt or a real download does is not tried here.
"""

import sys
from pathlib import Path
from typing import Final

import pytest

from tests import chromium
from tests.system.browser import chromium_or_skip

_PYTHON: Final = sys.executable
_SCRIPT: Final = """#!{python}
import os, pathlib, sys
with open({log!r}, "a") as log:
    print({name!r}, *sys.argv[1:], file=log)
if {installs!r} and sys.argv[1:][-1:] == ["chromium"]:
    browser = pathlib.Path({installs!r})
    browser.parent.mkdir(parents=True, exist_ok=True)
    browser.write_text("#!{python}\\nraise SystemExit({browser_code})")
    browser.chmod(0o755)
print("no network", file=sys.stderr)
sys.exit({code})
"""


class Machine:
    """A machine without a browser: its path holds what is put there and nothing else."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.bin = folder / "bin"
        self.cache = folder / "cache"
        self._log = folder / "log"
        self._log.touch()
        self._monkeypatch = monkeypatch
        self.bin.mkdir()
        monkeypatch.setenv("PATH", str(self.bin))
        monkeypatch.setenv("PLAYWRIGHT_BROWSERS_PATH", str(self.cache))
        monkeypatch.delenv("EMDR_CHROMIUM", raising=False)
        chromium._starts.cache_clear()

    def be(self, *, root: bool) -> None:
        self._monkeypatch.setattr("tests.chromium.os.geteuid", lambda: 0 if root else 1000)

    def command(self, name: str, *, code: int = 0, installs: Path | None = None, browser_code: int = 0) -> Path:
        path = self.bin / name
        fields = {"name": name, "code": code, "installs": str(installs or ""), "browser_code": browser_code}
        path.write_text(_SCRIPT.format(python=_PYTHON, log=str(self._log), **fields))
        path.chmod(0o755)
        return path

    def playwright(self, **how: int) -> Path:
        """`python -m playwright`, which downloads a browser unless it fails; gives where that browser is."""
        browser = self.cache / "chromium-1200" / "chrome-linux64" / "chrome"
        self._monkeypatch.setattr("tests.chromium.sys.executable", str(self.command("python", installs=browser, **how)))
        return browser

    @property
    def asked(self) -> list[str]:
        return [line for line in self._log.read_text().splitlines() if "--version" not in line]


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine(tmp_path, monkeypatch)


def test_root_installs_debians_package(machine: Machine) -> None:
    machine.be(root=True)
    machine.command("apt-get", installs=machine.bin / "chromium")
    machine.playwright()
    assert chromium.find_chromium() is None
    assert chromium.main() == 0
    assert machine.asked == ["apt-get update -qq", "apt-get install -qq -y --no-install-recommends chromium"]
    assert chromium.find_chromium() == machine.bin / "chromium"


@pytest.mark.parametrize("has_apt", [True, False])
def test_anybody_else_has_playwright_download_one(machine: Machine, has_apt: bool) -> None:
    machine.be(root=False)
    if has_apt:
        machine.command("apt-get", installs=machine.bin / "chromium")
    browser = machine.playwright()
    assert chromium.install_chromium() == ""
    assert machine.asked == ["python -m playwright install chromium"]
    assert chromium.find_chromium() == browser


@pytest.mark.parametrize("apt", [{"code": 100}, {"browser_code": 1}])
def test_where_the_package_cannot_be_had_or_does_not_start_root_has_it_downloaded_too(
    machine: Machine, apt: dict[str, int]
) -> None:
    machine.be(root=True)
    machine.command("apt-get", installs=None if "code" in apt else machine.bin / "chromium", **apt)
    browser = machine.playwright()
    assert chromium.install_chromium() == ""
    assert chromium.find_chromium() == browser


def test_where_nothing_can_be_installed_it_says_why_and_the_tests_are_skipped_with_the_reason_but_never_in_ci(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    machine.be(root=True)
    machine.command("apt-get", code=100)
    machine.playwright(code=1, browser_code=127)
    assert chromium.main() == 0
    told = capsys.readouterr().err
    assert "apt-get update -qq: no network" in told and "playwright install chromium: no network" in told
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match="no Chromium"):
        chromium_or_skip()
    monkeypatch.setenv("CI", "1")
    with pytest.raises(pytest.fail.Exception, match="no Chromium"):
        chromium_or_skip()


def test_one_that_is_there_is_taken_and_nothing_is_installed(machine: Machine) -> None:
    machine.command("apt-get")
    machine.command("chromium-browser", code=1)  # a note that there is a snap
    chrome = machine.command("google-chrome")
    assert chromium.find_chromium() == chrome
    assert chromium.main() == 0
    assert machine.asked == []


def test_the_newest_download_that_starts_is_taken(machine: Machine) -> None:
    for revision, code in ((999, 0), (1187, 0), (1200, 127)):
        folder = machine.cache / f"chromium-{revision}" / "chrome-linux"
        folder.mkdir(parents=True)
        machine.command("chrome", code=code).rename(folder / "chrome")
    assert chromium.find_chromium() == machine.cache / "chromium-1187" / "chrome-linux" / "chrome"


def test_a_browser_that_somebody_names_is_used_unasked(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    machine.command("chromium")
    monkeypatch.setenv("EMDR_CHROMIUM", "/opt/mine/chrome")
    assert chromium.find_chromium() == Path("/opt/mine/chrome")
