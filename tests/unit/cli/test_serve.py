"""What `serve` says before it listens."""

import socket

import pytest

from tests.unit.cli.conftest import Run


def test_an_unknown_variable_is_warned_of_at_start_by_its_name(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, run: Run
) -> None:
    # The process's loggers are the other tests' too.
    monkeypatch.setattr("emdr_stream.cli.serve.configure_logging", lambda *_: None)
    monkeypatch.setenv("EMDR_PROT", "1")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        code, _, err = run("serve", "--port", str(taken.getsockname()[1]))
    assert code == 2 and "cannot listen" in err
    assert [record.variable for record in caplog.records] == [  # type: ignore[attr-defined]
        "EMDR_PROT has no meaning: did you mean EMDR_PORT?"
    ]


def test_a_host_that_is_no_name_is_refused_by_the_name_of_its_option(monkeypatch: pytest.MonkeyPatch, run: Run) -> None:
    monkeypatch.setattr("emdr_stream.cli.serve.configure_logging", lambda *_: None)
    code, _, err = run("serve", "--host", "\udcff\udcfe")
    assert code == 2 and "--host (EMDR_HOST): '\\udcff\\udcfe' is no address" in err
