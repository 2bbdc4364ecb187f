"""The table of settings: complete, with current values, without secrets."""

import json
from pathlib import Path

import pytest

from emdr_stream.environment import Environment, variable_of
from tests.unit.cli.conftest import Run

VARIABLES = [variable_of(name) for name in Environment.model_fields]


def test_every_variable_is_listed_with_its_meaning(run: Run) -> None:
    code, out, _ = run("settings")
    assert code == 0
    assert [name for name in VARIABLES if name not in out] == []
    assert "silence that is `stale`" in out


def test_json_holds_the_same(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMDR_PORT", "9000")
    monkeypatch.setenv("EMDR_ALLOWED_ORIGINS", "https://a.example, https://b.example:8443")
    listed = {setting["variable"]: setting for setting in json.loads(run("settings", "--json")[1])}
    assert list(listed) == VARIABLES
    assert listed["EMDR_PORT"] == {
        "variable": "EMDR_PORT",
        "default": "8001",
        "current": "9000",
        "expected": "a whole number from 1 to 65535",
        "meaning": "port of the sockets, the REST API and /metrics",
    }
    assert listed["EMDR_ALLOWED_ORIGINS"]["current"] == "https://a.example,https://b.example:8443"
    assert listed["EMDR_REDIS_URL"]["current"] is None


@pytest.mark.parametrize("arguments", [("settings",), ("settings", "--json")])
def test_secrets_are_masked(run: Run, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]) -> None:
    monkeypatch.setenv("EMDR_TOKEN_KEY", "hunter2" * 5)
    monkeypatch.setenv("EMDR_REDIS_URL", "redis://:hunter2@host")
    monkeypatch.setenv("EMDR_DATABASE_URL", "postgresql://u:hunter2@host")
    _, out, err = run(*arguments)
    assert "hunter2" not in out + err
    assert out.count("(set, not shown)") == 3


def test_a_value_is_shown_as_it_is_and_not_as_markup(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMDR_TOKEN_ISSUER", "[red]id[/red]")
    assert "[red]id[/red]" in run("settings")[1]


def test_a_misspelt_variable_is_warned_of(run: Run, tmp_path: Path) -> None:
    (tmp_path / "my.env").write_text("EMDR_PROT=9000\nEMDR_WORKERS=3\n")
    code, out, err = run("settings", "--json", "--env-file", str(tmp_path / "my.env"))
    assert code == 0
    assert err == "warning: EMDR_PROT has no meaning: did you mean EMDR_PORT?\n"
    assert {s["variable"]: s["current"] for s in json.loads(out)}["EMDR_WORKERS"] == "3"


def test_looking_at_the_settings_makes_nothing(run: Run, data_dir: Path) -> None:
    run("settings")
    assert not data_dir.exists()
