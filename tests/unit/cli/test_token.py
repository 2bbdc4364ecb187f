"""Tokens from the command line are those that the service takes."""

import time
from pathlib import Path

import pytest

from emdr_stream.domain import Role
from emdr_stream.endpoints.auth import Principal, TokenAuthority
from emdr_stream.environment import load_settings
from tests.unit.cli.conftest import Run


def verified(token: str) -> Principal:
    return TokenAuthority(load_settings().tokens).verify(token, time.time())


def test_the_token_stands_alone_on_stdout_and_the_service_takes_it(run: Run, data_dir: Path) -> None:
    data_dir.mkdir()
    code, out, err = run("token", "--sub", "u-17", "--sid", "s-42", "--hours", "2")
    assert (code, err, out.count("\n")) == (0, "", 1)
    principal = verified(out.strip())
    assert (principal.sub, principal.role, principal.sid) == ("u-17", Role.CLIENT, "s-42")
    assert principal.expires_at == pytest.approx(time.time() + 7200, abs=60)


def test_a_therapists_token_carries_the_clients(run: Run, data_dir: Path) -> None:
    data_dir.mkdir()
    _, out, _ = run("token", "--role", "therapist", "--clients", "u-1", "u-2")
    assert verified(out.strip()).clients == {"u-1", "u-2"}


def test_a_therapist_without_clients_is_noted_beside_the_token(run: Run, data_dir: Path) -> None:
    data_dir.mkdir()
    code, out, err = run("token", "--role", "therapist")
    assert (code, verified(out.strip()).clients) == (0, frozenset())
    assert "sees nobody" in err


def test_the_folder_can_be_named_by_an_option(run: Run, data_dir: Path, tmp_path: Path) -> None:
    data_dir.mkdir()
    other = tmp_path / "other"
    other.mkdir()
    _, here, _ = run("token")
    _, there, _ = run("token", "--data-dir", str(other))
    assert verified(here.strip()).sub == "client-1"
    with pytest.raises(Exception, match="not one of ours"):
        verified(there.strip())


def test_without_a_service_there_is_no_key_and_none_is_made(run: Run, data_dir: Path) -> None:
    code, out, err = run("token")
    assert (code, out, data_dir.exists()) == (2, "", False)
    assert "start the service once" in err


def test_tokens_of_an_identity_provider_cannot_be_made_here(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    public = "MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE="
    pem = f"-----BEGIN PUBLIC KEY-----\n{public}\n-----END PUBLIC KEY-----"
    monkeypatch.setenv("EMDR_TOKEN_ALGORITHM", "EdDSA")
    monkeypatch.setenv("EMDR_TOKEN_PUBLIC_KEY", pem)
    code, out, err = run("token")
    assert (code, out) == (2, "")
    assert "identity provider" in err


@pytest.mark.parametrize("arguments", [("--hours", "0"), ("--hours", "nan"), ("--hours", "1e9"), ("--sub", "a b")])
def test_what_cannot_be_in_a_token_is_refused(run: Run, data_dir: Path, arguments: tuple[str, str]) -> None:
    data_dir.mkdir()
    code, out, _ = run("token", *arguments)
    assert (code, out) == (2, "")
