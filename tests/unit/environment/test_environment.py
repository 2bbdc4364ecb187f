"""Variables in, settings out: each fault is named with its variable and its mend."""

import os
import re
import stat
from pathlib import Path

import pytest

from emdr_stream.environment import (
    Environment,
    expected,
    load_settings,
    read_environment,
    token_settings,
    unknown_variables,
    variable_of,
)
from emdr_stream.environment.keys import read_or_make_key
from emdr_stream.errors import ConfigurationError
from emdr_stream.settings import Mode, ServiceSettings, SessionSettings, SocketSettings, TokenAlgorithm

KEY = "k" * 32
PEM = "-----BEGIN PUBLIC KEY-----\\nMCowBQYDK2VwAyEA\\n-----END PUBLIC KEY-----"


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [name for name in os.environ if name.upper().startswith("EMDR_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("EMDR_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)


def refusal(**variables: str) -> str:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in variables.items():
            patch.setenv(name, value)
        with pytest.raises(ConfigurationError) as refused:
            load_settings()
    return str(refused.value)


def test_without_any_variable_the_defaults_of_the_groups_hold(tmp_path: Path) -> None:
    settings = load_settings()
    assert isinstance(settings, ServiceSettings)
    assert (settings.session, settings.socket) == (SessionSettings(), SocketSettings())
    assert (settings.server.port, settings.server.mode) == (8001, Mode.DEVELOPMENT)
    assert settings.stores.data_dir == tmp_path / "data"
    assert (settings.stores.redis_url, settings.stores.database_url) == (None, None)


def test_each_session_variable_reaches_its_group(monkeypatch: pytest.MonkeyPatch) -> None:
    variables = {
        "RISK_THRESHOLD": "0.5",
        "CRISIS_PAUSE_THRESHOLD": "0.65",
        "CRISIS_IMMEDIATE_THRESHOLD": "0.75",
        "STALE_AFTER_MS": "1000",
        "LOST_AFTER_MS": "4000",
        "REQUIRE_READINESS": "yes",
        "GRACE_MS": "30000",
        "HEARTBEAT_MS": "400",
        "TIMEOUT_MS": "1500",
        "MESSAGE_BYTES": "65536",
        "RATE_HZ": "90",
    }
    for name, value in variables.items():
        monkeypatch.setenv(f"EMDR_{name}", value)
    session = load_settings().session
    thresholds = session.safety.thresholds
    assert (thresholds.risk, thresholds.crisis_pause, thresholds.crisis_immediate) == (0.5, 0.65, 0.75)
    assert (session.signal.stale_after_ms, session.signal.lost_after_ms) == (1000, 4000)
    control = session.control
    assert (control.require_readiness, control.grace_ms, control.heartbeat_ms) == (True, 30_000, 400)
    assert control.timeout_ms == 1500
    assert (session.limits.message_bytes, session.limits.rate_hz) == (65_536, 90)


def test_the_process_wins_over_the_file_and_options_over_both(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("EMDR_PORT=9001\nEMDR_HOST=from-file\nEMDR_WORKERS=2\n")
    monkeypatch.setenv("EMDR_PORT", "9002")
    monkeypatch.setenv("EMDR_WORKERS", "3")
    server = load_settings(workers=4, host=None).server
    assert (server.host, server.port, server.workers) == ("from-file", 9002, 4)


def test_an_empty_variable_counts_as_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMDR_REDIS_URL", "")
    monkeypatch.setenv("EMDR_PORT", "")
    settings = load_settings()
    assert (settings.stores.redis_url, settings.server.port) == (None, 8001)


@pytest.mark.parametrize(
    ("name", "value", "mend"),
    [
        ("EMDR_PORT", "99999", "a whole number from 1 to 65535"),
        ("EMDR_MODE", "staging", "one of development, production"),
        ("EMDR_RISK_THRESHOLD", "nan", "a number from 0.2 to 0.95"),
        ("EMDR_LOG_LEVEL", "LOUD", "one of DEBUG, INFO, WARNING, ERROR"),
        ("EMDR_REQUIRE_READINESS", "perhaps", "true or false"),
        ("EMDR_TOKEN_ALGORITHM", "none", "one of HS256, EdDSA, RS256, ES256"),
        ("EMDR_ALLOWED_ORIGINS", "https://a.example,console.example", "console.example"),
        ("EMDR_ALLOWED_ORIGINS", "https://a.example/path", "without a path"),
    ],
)
def test_a_bad_value_is_named_with_its_variable_and_mend(name: str, value: str, mend: str) -> None:
    text = refusal(**{name: value})
    assert name in text
    assert mend in text


def test_all_bad_values_are_told_at_once() -> None:
    assert len(refusal(EMDR_PORT="x", EMDR_WORKERS="0").splitlines()) == 2


@pytest.mark.parametrize(
    ("variables", "names"),
    [
        ({"EMDR_LOST_AFTER_MS": "1500"}, ("EMDR_LOST_AFTER_MS", "EMDR_STALE_AFTER_MS")),
        (
            {"EMDR_CRISIS_IMMEDIATE_THRESHOLD": "0.6"},
            ("EMDR_CRISIS_IMMEDIATE_THRESHOLD", "EMDR_CRISIS_PAUSE_THRESHOLD"),
        ),
        ({"EMDR_TIMEOUT_MS": "900"}, ("EMDR_TIMEOUT_MS", "EMDR_HEARTBEAT_MS")),
        ({"EMDR_CONFLATE_BYTES": "2000000"}, ("EMDR_OUTBOX_BYTES", "EMDR_CONFLATE_BYTES")),
    ],
)
def test_values_that_contradict_one_another_are_refused(variables: dict[str, str], names: tuple[str, str]) -> None:
    text = refusal(**variables)
    assert all(name in text for name in names)


@pytest.mark.parametrize(
    "variables",
    [
        {"EMDR_REDIS_URL": "http://user:hunter2@host"},
        {"EMDR_DATABASE_URL": "mysql://user:hunter2@host"},
        {"EMDR_TOKEN_KEY": "hunter2"},
    ],
)
def test_a_refusal_never_shows_a_secret(variables: dict[str, str]) -> None:
    text = refusal(**variables)
    assert next(iter(variables)) in text
    assert "hunter2" not in text


def test_settings_never_show_a_secret_in_their_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMDR_DATABASE_URL", "postgresql://user:hunter2@host/db")
    monkeypatch.setenv("EMDR_TOKEN_KEY", "hunter2" * 8)
    settings = load_settings()
    assert settings.stores.database_url == "postgresql://user:hunter2@host/db"
    assert "hunter2" not in repr(settings)


@pytest.mark.parametrize(
    ("variables", "mend"),
    [
        ({"EMDR_TOKEN_PUBLIC_KEY": PEM}, "EMDR_TOKEN_ALGORITHM is HS256"),
        ({"EMDR_TOKEN_ALGORITHM": "EdDSA"}, "EMDR_TOKEN_PUBLIC_KEY is not set"),
        ({"EMDR_TOKEN_ALGORITHM": "EdDSA", "EMDR_TOKEN_PUBLIC_KEY": PEM, "EMDR_TOKEN_KEY": KEY}, "remove one"),
        ({"EMDR_TOKEN_ALGORITHM": "EdDSA", "EMDR_TOKEN_PUBLIC_KEY": "/nowhere.pem"}, "FileNotFoundError"),
        (
            {"EMDR_TOKEN_ALGORITHM": "RS256", "EMDR_TOKEN_PUBLIC_KEY": PEM.replace("PUBLIC", "PRIVATE")},
            "a private key stays",
        ),
    ],
)
def test_a_key_that_does_not_fit_its_algorithm_is_refused(variables: dict[str, str], mend: str) -> None:
    assert mend in refusal(**variables)


@pytest.mark.parametrize("as_file", [False, True])
def test_a_public_key_is_taken_as_text_or_as_a_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, as_file: bool
) -> None:
    pem = PEM.replace("\\n", "\n")
    (tmp_path / "idp.pem").write_text(pem + "\n")
    monkeypatch.setenv("EMDR_TOKEN_ALGORITHM", "EdDSA")
    monkeypatch.setenv("EMDR_TOKEN_PUBLIC_KEY", str(tmp_path / "idp.pem") if as_file else PEM)
    tokens = load_settings().tokens
    assert (tokens.algorithm, tokens.key) == (TokenAlgorithm.EDDSA, pem.encode())
    assert not (tmp_path / "data").exists()


def test_a_key_is_made_once_and_for_our_eyes_only(tmp_path: Path) -> None:
    first = load_settings().tokens.key
    path = tmp_path / "data" / "token.key"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert len(first) >= 32
    assert load_settings().tokens.key == first
    assert [entry.name for entry in path.parent.iterdir()] == ["token.key"]


def test_a_key_that_others_can_read_is_refused(tmp_path: Path) -> None:
    load_settings()
    (tmp_path / "data" / "token.key").chmod(0o644)
    assert "chmod 600" in refusal()


def test_a_short_key_file_is_refused(tmp_path: Path) -> None:
    load_settings()
    (tmp_path / "data" / "token.key").write_text("short")
    assert "shorter than 32 bytes" in refusal()


def test_a_command_does_not_make_the_folder_of_a_service_that_never_ran() -> None:
    with pytest.raises(ConfigurationError, match="start the service once"):
        token_settings(read_environment(), make_folder=False)


def test_a_key_made_by_another_process_meanwhile_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def made_meanwhile(path: Path, target: Path) -> None:
        path.write_text("o" * 40)
        path.chmod(0o600)
        raise FileExistsError

    monkeypatch.setattr(Path, "hardlink_to", made_meanwhile)
    assert read_or_make_key(tmp_path) == b"o" * 40


def test_unknown_variables_are_named_with_the_nearest_that_exists(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("EMDR_PROT=1\nOTHER=2\n")
    assert unknown_variables({"EMDR_REDISURL": "x", "EMDR_PORT": "1", "EMDR_POSTGRES_PASSWORD": "y"}) == [
        "EMDR_PROT has no meaning: did you mean EMDR_PORT?",
        "EMDR_REDISURL has no meaning: did you mean EMDR_REDIS_URL?",
    ]


def test_every_variable_of_the_container_files_means_something(repository: Path) -> None:
    files = [repository / "compose.yaml", repository / "Dockerfile"]
    used = {name for file in files for name in re.findall(r"EMDR_[A-Z_]+", file.read_text())}
    assert len(used) > 5
    assert unknown_variables(dict.fromkeys(used, "x"), None) == []


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(b"EMDR_HOST=\xff\xfe\n")
    assert ".env cannot be read" in refusal()


def test_every_variable_has_a_meaning_and_every_number_a_range() -> None:
    for name, info in Environment.model_fields.items():
        assert info.description, variable_of(name)
        words = expected(name)
        assert "number" not in words or " from " in words, f"{variable_of(name)} has no range"
