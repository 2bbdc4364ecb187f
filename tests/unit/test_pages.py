"""What the pages promise is there: links, settings with their defaults, tests and functions that they name."""

import re
from pathlib import Path

import pytest

from emdr_stream.__main__ import COMMANDS
from emdr_stream.domain import PauseCause
from emdr_stream.environment import Environment, variable_of
from emdr_stream.environment.reading import unknown_variables
from emdr_stream.errors import CloseCode
from emdr_stream.session.control import PAUSE_RULES

_LINK = re.compile(r"\]\(([^)#\s]*)(?:#([^)\s]+))?\)")
_SETTING_ROW = re.compile(r"^\| [^|]+ \| ([^|]+) \| `(EMDR_\w+)` \|$", re.MULTILINE)
_TEST = re.compile(r"`((?:unit|session|system|contract)/[\w/]+\.py)::(\w+)`")
_PLACE = re.compile(r"`((?:alerts|cli|endpoints|inference|pipeline|session|store|wire)/\w+\.py):(\w+)`")
_CAUSE_ROW = re.compile(r"^\| `(\w+)`[^|]*\| ([^|]+) \| (client|therapist) \|$", re.MULTILINE)
_CODE_ROW = re.compile(r"^\| (\d{4}) \| ", re.MULTILINE)
_MODES = {"hard": "hard", "ease to centre": "ease_to_center", "as commanded, hard if nothing is said": "hard"}
_MOST_LINES = {"README.md": 250, "decision": 60}


def pages(repository: Path) -> list[Path]:
    return [*sorted(repository.glob("*.md")), *sorted((repository / "docs").rglob("*.md"))]


def anchors(page: Path) -> set[str]:
    """What headings can be linked to, as the usual renderers name them."""
    titles = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def test_every_link_between_pages_leads_somewhere(repository: Path) -> None:
    for page in pages(repository):
        for target, anchor in _LINK.findall(page.read_text()):
            if "://" in target:
                continue
            goal = (page.parent / target).resolve() if target else page
            assert goal.exists(), f"{page.name}: {target}"
            if anchor:
                assert anchor in anchors(goal), f"{page.name}: {target}#{anchor}"


def test_every_variable_that_a_page_names_is_a_setting(repository: Path) -> None:
    for page in pages(repository):
        names = set(re.findall(r"\bEMDR_[A-Z_]+[A-Z]\b", page.read_text()))
        assert not unknown_variables(dict.fromkeys(names, ""), None), page.name


def test_the_page_on_behaviour_gives_the_real_defaults(repository: Path) -> None:
    defaults = {variable_of(name): info.default for name, info in Environment.model_fields.items()}
    rows = _SETTING_ROW.findall((repository / "docs" / "behaviour.md").read_text())
    assert len(rows) > 10
    for told, variable in rows:
        assert told.split()[0] == str(defaults[variable]), variable


def test_the_page_on_behaviour_knows_every_close_code_that_is_sent(repository: Path) -> None:
    told = {int(code) for code in _CODE_ROW.findall((repository / "docs" / "behaviour.md").read_text())}
    # Refused before there is a socket to close, or said by the other side alone.
    elsewhere = {CloseCode.GOING_AWAY, CloseCode.ABNORMAL, CloseCode.POLICY, CloseCode.UNSUPPORTED_VERSION}
    assert told == set(CloseCode) - elsewhere


@pytest.mark.parametrize("page", ["safety.md", "security.md"])
def test_the_pages_on_safety_and_security_name_tests_that_exist(repository: Path, page: str) -> None:
    named = _TEST.findall((repository / "docs" / page).read_text())
    assert len(named) > 30
    for file, test in named:
        assert f"def {test}(" in (repository / "tests" / file).read_text(), f"{file}::{test}"


def test_the_page_on_safety_tells_the_causes_as_they_are(repository: Path) -> None:
    rows = _CAUSE_ROW.findall((repository / "docs" / "safety.md").read_text())
    told = {cause: (_MODES[mode], requires) for cause, mode, requires in rows}
    assert told == {cause.value: (rule.mode.value, rule.requires.value) for cause, rule in PAUSE_RULES.items()}
    assert set(told) == {cause.value for cause in PauseCause}


def test_the_way_of_a_sample_names_functions_that_exist(repository: Path) -> None:
    text = (repository / "docs" / "reading-order.md").read_text()
    named = _PLACE.findall(text)
    assert len(named) > 10
    for file, function in named:
        assert f"def {function}(" in (repository / "emdr_stream" / file).read_text(), f"{file}:{function}"


def test_the_reading_order_names_files_that_exist(repository: Path) -> None:
    folder = repository
    for name in re.findall(r"`([\w/]+(?:\.py|/))`", (repository / "docs" / "reading-order.md").read_text()):
        path = repository / name if "/" in name else folder / name
        if not path.exists():
            path = repository / "emdr_stream" / name
        assert path.exists(), name
        folder = path.parent if path.is_file() else folder


def test_every_decision_is_listed_dated_and_short(repository: Path) -> None:
    folder = repository / "docs" / "decisions"
    index = (folder / "README.md").read_text()
    decisions = sorted(folder.glob("[0-9]*.md"))
    assert decisions
    for number, page in enumerate(decisions, 1):
        lines = page.read_text().splitlines()
        assert page.name.startswith(f"{number:04d}-") and f"({page.name})" in index, page.name
        assert re.fullmatch(r"\d{4}-\d\d-\d\d · (in force|withdrawn|superseded by \d{4})", lines[2]), page.name
        assert len(lines) < _MOST_LINES["decision"], page.name


def test_the_readme_is_a_page_that_one_can_read(repository: Path) -> None:
    assert len((repository / "README.md").read_text().splitlines()) < _MOST_LINES["README.md"]


def test_the_readme_knows_all_commands(repository: Path) -> None:
    text = (repository / "README.md").read_text()
    assert not [name for name in COMMANDS if f"| `emdr-stream {name}" not in text]
