"""The AsyncAPI document against the official schema, against itself, and against messages on the wire."""

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest
from jsonschema import Draft7Validator

from emdr_stream.errors import CLOSE_CODES, ErrorCode
from emdr_stream.wire.asyncapi import asyncapi_document
from emdr_stream.wire.codec import STREAM_CODECS, WATCH_CODECS
from emdr_stream.wire.contract import sockets
from emdr_stream.wire.stream import ClientMessage, ErrorMessage, Frame, Hello, Sample, ServerMessage
from emdr_stream.wire.watch import ConsoleMessage, Subscribe, WatchMessage

Document = dict[str, Any]


@pytest.fixture(scope="module")
def document() -> Document:
    return asyncapi_document("1.2.3")


@pytest.fixture(scope="module")
def official(repository: Path) -> Draft7Validator:
    packed = (repository / "tests/resources/asyncapi/3.1.0.json.gz").read_bytes()
    return Draft7Validator(json.loads(gzip.decompress(packed)))


def resolved(document: Document, reference: str) -> Any:
    part: Any = document
    for step in reference.removeprefix("#/").split("/"):
        part = part[step]
    return part


def references(part: Any) -> Iterator[str]:
    if isinstance(part, dict):
        if isinstance(part.get("$ref"), str):
            yield part["$ref"]
        for inner in part.values():
            yield from references(inner)
    elif isinstance(part, list):
        for inner in part:
            yield from references(inner)


def payload_schema(document: Document, cls: type) -> Draft7Validator:
    return Draft7Validator({"$ref": f"#/components/schemas/{cls.__name__}", "components": document["components"]})


def test_the_document_is_valid_by_the_official_schema(document: Document, official: Draft7Validator) -> None:
    assert [error.message[:200] for error in official.iter_errors(document)] == []


def test_the_official_schema_would_notice_a_fault(official: Draft7Validator) -> None:
    faulty = asyncapi_document("1.2.3")
    faulty["operations"]["stream.send"]["action"] = "shout"
    assert not official.is_valid(faulty)


def test_the_document_is_plain_json_and_names_the_version(document: Document) -> None:
    assert json.loads(json.dumps(document, allow_nan=False)) == document
    assert document["info"]["version"] == "1.2.3"


def test_every_reference_leads_somewhere(document: Document) -> None:
    found = set(references(document))
    assert len(found) > 100
    for reference in found:
        assert resolved(document, reference), reference


def test_every_schema_is_a_valid_schema_and_is_used(document: Document) -> None:
    used = {reference.rsplit("/", 1)[1] for reference in references(document)}
    for name, schema in document["components"]["schemas"].items():
        Draft7Validator.check_schema(schema)
        assert name in used


@pytest.mark.parametrize(
    ("operation", "union"),
    [
        ("stream.receive", ClientMessage),
        ("stream.send", ServerMessage),
        ("watch.receive", WatchMessage),
        ("watch.send", ConsoleMessage),
    ],
)
def test_operations_hold_exactly_the_messages_of_the_types(document: Document, operation: str, union: Any) -> None:
    described = document["operations"][operation]
    channel = resolved(document, described["channel"]["$ref"])
    tags = []
    for reference in described["messages"]:
        assert reference["$ref"].startswith(described["channel"]["$ref"] + "/messages/")
        message = resolved(document, resolved(document, reference["$ref"])["$ref"])
        payload = resolved(document, message["payload"]["$ref"])
        assert payload["properties"]["type"]["enum"] == [message["name"]]
        tags.append(message["name"])
    assert sorted(tags) == sorted(cls.__struct_config__.tag for cls in get_args(union))
    assert channel["address"] == f"/v1/{operation.partition('.')[0]}"


def test_operations_and_codecs_know_the_same_types() -> None:
    stream, watch = sockets()
    for socket, codecs in ((stream, STREAM_CODECS), (watch, WATCH_CODECS)):
        for codec in codecs.values():
            assert codec.known_types == {message.tag for message in socket.received}


def test_every_message_has_a_summary_of_one_sentence(document: Document) -> None:
    for message in document["components"]["messages"].values():
        assert message["summary"].endswith("."), message["name"]
        assert len(message["summary"]) < 160


@pytest.mark.parametrize(
    "message",
    [
        Hello(id=1, source="morphcast", token="t", session_id="s-1", result_rate_hz=5),  # type: ignore[arg-type]
        Sample(ts=1.5),
        Frame(id="f", ts=1.0, image=b"\xff\xd8"),
        Subscribe(sessions=["*"], rate_hz=10),
        ErrorMessage(code="paused", message="m", retryable=True, fatal=False),
    ],
)
def test_messages_on_the_wire_fit_their_schemas(document: Document, message: msgspec.Struct) -> None:
    schema = payload_schema(document, type(message))
    on_the_wire = json.loads(msgspec.json.encode(message))
    assert schema.is_valid(on_the_wire)
    assert not schema.is_valid({**on_the_wire, "type": "other"})


def test_a_wrong_field_does_not_fit_the_schema(document: Document) -> None:
    schema = payload_schema(document, Hello)
    assert not schema.is_valid({"type": "hello", "source": "telepathy"})
    assert not schema.is_valid({"type": "hello", "source": "emotion", "result_rate_hz": 1_000})


def test_arrays_of_fixed_length_keep_their_length(document: Document) -> None:
    limits = Draft7Validator(document["components"]["schemas"]["Limits"])
    assert limits.is_valid({"pixels": [1280, 720]})
    assert not limits.is_valid({"pixels": [1280, 720, 3]})
    assert not limits.is_valid({"pixels": [1280, "tall"]})


def test_all_close_and_error_codes_are_told(document: Document) -> None:
    for channel in document["channels"].values():
        assert [row["code"] for row in channel["x-close-codes"]] == list(CLOSE_CODES)
    assert [row["code"] for row in document["x-error-codes"]] == [code.value for code in ErrorCode]
