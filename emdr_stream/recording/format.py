"""Facts, messages and effects of a session in, lines of its recording out; and the header back into facts.

One JSON object a line: a header first, then what came in and what went out, each with its session time. Keys are
sorted, floats in shortest form, missing is null. Tokens, server times and measured times are no part of a recording.
"""

from dataclasses import fields
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from emdr_stream.domain import Source, Thresholds
from emdr_stream.errors import EmdrError
from emdr_stream.pipeline.baseline import BaselinePrior
from emdr_stream.session.facts import DEFAULT_CONFIG, SessionFacts, merged, tightened
from emdr_stream.settings import SessionSettings
from emdr_stream.wire.stream import Heartbeat, Hello, Outgoing, Pong, Result, Welcome
from emdr_stream.wire.values import AlertBody, ModelRef, Readiness, SessionConfig
from emdr_stream.wire.watch import AlertMessage

LONGEST_MS: Final = 1_000_000_000
"""Eleven days: a later time is a wall clock by mistake."""

AtMs = Annotated[float, Meta(ge=0, le=LONGEST_MS)]
_DEFAULT_SESSION: Final = "replay"
_DEFAULT_USER: Final = "unknown"

_encoder: Final = msgspec.json.Encoder(order="sorted")
encode = _encoder.encode
"""Any value of a recording as JSON: sorted keys, NaN and infinity as null."""


class RecordingError(EmdrError):
    """A recording cannot be read; the message names the file, the line and the fault."""


class Header(msgspec.Struct, frozen=True, kw_only=True):
    """Line 1. What a scenario written by hand leaves out has the service's default, or comes from its `hello`.

    `started_ts`: wall clock in milliseconds at session time 0. `settings`: what differs from the defaults, by group.
    `recorded_scores`: every score that the core was told is in the file, so that none is to be computed.
    """

    emdr_recording: Literal[1]
    started_ts: float = 0
    source: Source | None = None
    config: SessionConfig | None = None
    thresholds: Thresholds | None = None
    models: tuple[ModelRef, ...] = ()
    user: str | None = None
    session_id: str | None = None
    result_rate_hz: Annotated[float, Meta(gt=0, le=60)] | None = None
    readiness: Readiness | None = None
    prior: BaselinePrior | None = None
    seed: int | None = None
    version: str | None = None
    settings: dict[str, dict[str, Any]] = {}
    recorded_scores: bool = False


class Envelope(msgspec.Struct, frozen=True, kw_only=True):
    """Any line but the first. `msg` stays encoded until it is known whose it is."""

    at_ms: AtMs
    dir: Literal["in", "out"]
    msg: msgspec.Raw | UnsetType = UNSET
    event: str | None = None
    from_: Literal["client", "watch"] = msgspec.field(name="from", default="client")
    by: str = "watch"


def header_of(facts: SessionFacts, version: str, settings: SessionSettings, seed: int | None = None) -> Header:
    """The header of a session that the service records itself."""
    return Header(
        emdr_recording=1,
        started_ts=facts.started_ts,
        source=facts.source,
        config=facts.config,
        thresholds=facts.thresholds,
        models=facts.models,
        user=facts.user,
        session_id=facts.session_id,
        result_rate_hz=facts.result_rate_hz,
        readiness=facts.readiness,
        prior=facts.prior,
        seed=seed,
        version=version,
        settings=_changed(settings),
        recorded_scores=True,
    )


def facts_from_header(header: Header, hello: Hello | None = None, models: tuple[ModelRef, ...] = ()) -> SessionFacts:
    """The session that the header describes; `hello` fills in what it leaves out.

    `models`: who really scores, told in place of the header's. A wish for relaxed thresholds is refused, as live.
    """
    hello = hello or Hello(source=header.source or Source.EMOTION)
    config = header.config or hello.config or SessionConfig()
    present = header.thresholds or settings_from_header(header).safety.thresholds
    return SessionFacts(
        session_id=header.session_id or hello.session_id or _DEFAULT_SESSION,
        user=header.user or hello.user or _DEFAULT_USER,
        source=header.source or hello.source,
        started_ts=int(header.started_ts),
        config=merged(DEFAULT_CONFIG, config),
        thresholds=tightened(present, config.safety_thresholds)[0],
        result_rate_hz=header.result_rate_hz or hello.result_rate_hz,
        readiness=header.readiness or hello.readiness or Readiness(),
        models=models or header.models,
        prior=header.prior,
    )


def settings_from_header(header: Header) -> SessionSettings:
    """The settings the session ran with. Raises RecordingError for a value of the wrong kind."""
    plain = _plain_settings(SessionSettings())
    for group, changes in header.settings.items():
        plain.setdefault(group, {}).update(changes)
    try:
        return msgspec.convert(plain, SessionSettings)
    except msgspec.ValidationError as problem:
        raise RecordingError(f"`settings` in the header: {problem}") from None


def message_line(at_ms: int, message: Any, *, by: str | None = None) -> bytes:
    """A client's message, or a watcher's command when `by` says whose."""
    line: dict[str, Any] = {"at_ms": at_ms, "dir": "in", "msg": message}
    if by is not None:
        line |= {"from": "watch", "by": by}
    return encode(line)


def event_line(at_ms: int, name: str, told: dict[str, Any]) -> bytes:
    """What else the core was told."""
    return encode({**told, "at_ms": at_ms, "dir": "in", "event": name})


def sent_line(at_ms: int, message: Outgoing) -> bytes | None:
    """A message to the client without what belongs to the connection; None for one that is not recorded."""
    kind = type(message)
    if kind is Heartbeat or kind is Pong:
        return None
    bare = _BARE.get(kind)
    return encode({"at_ms": at_ms, "dir": "out", "msg": message if bare is None else _pared(message, bare)})


def alert_line(at_ms: int, body: AlertBody) -> bytes:
    """A step in the life of an alert, as watchers are told it, but for the cursor."""
    return encode({"at_ms": at_ms, "dir": "out", "msg": _pared(body, _BARE[AlertMessage]), "to": "watch"})


def _without(kind: type[msgspec.Struct], *left_out: str) -> type[msgspec.Struct]:
    """The message type with fewer fields."""
    optional = {field.name for field in msgspec.structs.fields(kind) if field.default is UNSET}
    kept = [name for name in kind.__struct_fields__ if name not in left_out]
    # What is unset stays out of the JSON, which msgspec does only where the type allows it.
    shape = [(name, Any | UnsetType if name in optional else Any) for name in kept]
    return msgspec.defstruct(f"Recorded{kind.__name__}", shape, tag_field="type", tag=kind.__struct_config__.tag)


_BARE: Final[dict[type, type[msgspec.Struct]]] = {
    Result: _without(Result, "timing"),
    Welcome: _without(Welcome, "resume_token", "server_ts"),
    AlertMessage: _without(AlertMessage, "cursor"),
}


def _pared(value: msgspec.Struct, bare: type[msgspec.Struct]) -> msgspec.Struct:
    return bare(*[getattr(value, name) for name in bare.__struct_fields__])


def _changed(settings: SessionSettings) -> dict[str, dict[str, Any]]:
    plain, default = _plain_settings(settings), _plain_settings(SessionSettings())
    changed = {
        group: {name: value for name, value in values.items() if value != default[group][name]}
        for group, values in plain.items()
    }
    return {group: values for group, values in changed.items() if values}


def _plain_settings(settings: SessionSettings) -> dict[str, dict[str, Any]]:
    return {field.name: msgspec.to_builtins(getattr(settings, field.name)) for field in fields(settings)}
