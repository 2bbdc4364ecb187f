"""What the log tells, and above all what it does not."""

import ast
import io
import json
import logging
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from emdr_stream.errors import ConfigurationError, ErrorCode, ProtocolError
from emdr_stream.telemetry.logs import KEYS, JsonLines, Privacy, Readable, configure_logging

PACKAGE = Path(__file__).resolve().parents[3] / "emdr_stream"
METHODS = {"debug", "info", "warning", "error", "exception", "critical", "log"}
# These write the places and types of an exception themselves, without its text.
WITHOUT_TEXT = {"endpoints/ports.py"}
LOGGERS = re.compile(r"^_?(log|logger|LOG|LOGGER)$")


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    out = io.StringIO()
    configure_logging("INFO", out)
    yield out
    root.handlers[:] = handlers
    root.setLevel(level)


def lines(stream: io.StringIO) -> list[dict]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def log_calls() -> Iterator[tuple[str, ast.Call]]:
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in METHODS:
                receiver = node.func.value
                name = receiver.attr if isinstance(receiver, ast.Attribute) else getattr(receiver, "id", "")
                if LOGGERS.match(name):
                    yield f"{path.relative_to(PACKAGE)}:{node.lineno}", node


def test_every_key_that_the_package_logs_is_classified() -> None:
    problems = []
    for place, call in log_calls():
        for extra in (keyword.value for keyword in call.keywords if keyword.arg == "extra"):
            if not isinstance(extra, ast.Dict):
                problems.append(f"{place}: `extra` must be written as a dict, so that its keys can be seen")
                continue
            keys = [key.value if isinstance(key, ast.Constant) else None for key in extra.keys]
            problems += [f"{place}: classify {key!r} in telemetry/logs.py" for key in keys if key not in KEYS]
    assert problems == []


def test_every_message_that_the_package_logs_is_a_constant() -> None:
    problems = [
        f"{place}: what varies belongs into `extra`"
        for place, call in log_calls()
        for arguments in [call.args[1:] if call.func.attr == "log" else call.args]  # type: ignore[attr-defined]
        if len(arguments) != 1 or not isinstance(arguments[0], ast.Constant)
        if place.partition(":")[0] not in WITHOUT_TEXT
    ]
    assert problems == []


def test_no_key_collides_with_an_attribute_of_log_records() -> None:
    clashing = set(KEYS) & set(vars(logging.makeLogRecord({})))
    assert clashing == set()


def test_a_line_is_json_with_the_fields(stream: io.StringIO) -> None:
    logging.getLogger("emdr_stream.app").warning("store lost", extra={"store": "redis", "retry_in_s": 0.5})
    (line,) = lines(stream)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line.pop("ts"))
    assert line == {
        "level": "warning",
        "logger": "emdr_stream.app",
        "event": "store lost",
        "store": "redis",
        "retry_in_s": 0.5,
    }


def test_a_worker_among_several_writes_its_number_into_every_line(stream: io.StringIO) -> None:
    configure_logging("INFO", stream, worker=2)
    logging.getLogger("emdr_stream.x").info("something happened")
    logging.getLogger("emdr_stream.x").info("a worker ended", extra={"worker": 0})
    assert [line["worker"] for line in lines(stream)] == [2, 0]


def test_personal_and_unclassified_values_are_not_written(stream: io.StringIO) -> None:
    extra = {"user": "anna", "invented_key": "anna", "session_id": "s-1", "state": {"anna": 1}}
    logging.getLogger("emdr_stream").info("opened", extra=extra)
    (line,) = lines(stream)
    assert "anna" not in stream.getvalue()
    assert (line["user"], line["invented_key"], line["session_id"]) == ("[withheld]", "[unclassified]", "s-1")
    assert line["state"] == "[dict]"


def test_scores_and_users_are_personal() -> None:
    assert {KEYS[key] for key in ("user", "token", "emotions", "scores", "probability", "url")} == {Privacy.PERSONAL}


@pytest.mark.parametrize("formatter", [JsonLines(), Readable()])
def test_a_peers_words_in_an_exception_are_not_written(formatter: logging.Formatter) -> None:
    out = io.StringIO()
    handler = logging.StreamHandler(out)
    handler.setFormatter(formatter)
    log = logging.getLogger(f"emdr_stream.test.{type(formatter).__name__}")
    log.addHandler(handler)
    log.propagate = False
    try:
        try:
            raise ProtocolError(ErrorCode.BAD_MESSAGE, "anna said this")
        except ProtocolError as problem:
            raise ExceptionGroup("anna", [KeyError("anna"), ExceptionGroup("b", [ValueError("anna")])]) from problem
    except ExceptionGroup:
        log.exception("session failed")
    text = out.getvalue()
    assert "anna" not in text
    assert "ExceptionGroup(KeyError, ValueError) < ProtocolError" in text
    assert "test_logs.py" in text


def test_our_own_refusal_to_start_is_told_in_full(stream: io.StringIO) -> None:
    try:
        raise ConfigurationError("EMDR_PORT is wrong: choose 1 to 65535")
    except ConfigurationError:
        logging.getLogger("emdr_stream").exception("cannot start")
    assert lines(stream)[0]["problem"] == "EMDR_PORT is wrong: choose 1 to 65535"


def test_of_other_libraries_only_the_template_is_written(stream: io.StringIO) -> None:
    logging.getLogger("uvicorn.error").warning("%s - rejected %s", "192.0.2.7", "/v1/stream?token=secret")
    logging.getLogger("asyncio").error("Task exception was never retrieved\nfuture: <Task ValueError('anna')>")
    assert [line["event"] for line in lines(stream)] == ["%s - rejected %s", "Task exception was never retrieved"]


def test_connections_of_peers_are_not_news(stream: io.StringIO) -> None:
    logging.getLogger("uvicorn.error").info("connection open")
    logging.getLogger("websockets.server").info("connection open")
    assert stream.getvalue() == ""


def test_a_terminal_gets_a_readable_line() -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    try:
        out = Terminal()
        configure_logging("INFO", out)
        logging.getLogger("emdr_stream").info("listening", extra={"port": 8001, "cause": "asked\nfor"})
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
    assert re.fullmatch(r'\d\d:\d\d:\d\d\.\d{3} INFO     listening port=8001 cause="asked\\nfor"\n', out.getvalue())
