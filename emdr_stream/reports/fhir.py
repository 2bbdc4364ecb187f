"""A user's records in, a FHIR R4 Bundle out: Observation, RiskAssessment, Flag and AuditEvent about one Patient.

The patient is the pseudonym and nothing else. LOINC where the code is of the very thing (PCL-5's score, heart rate);
for all else, SUD and VoC too, a code system of our own, which lies in the bundle and claims no registered address.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final
from uuid import UUID, uuid5

import msgspec

from emdr_stream.analytics.figures import Outcome, SessionFigures, SessionRating
from emdr_stream.analytics.rollup import AlertTold, alert_told
from emdr_stream.domain import AlertKind, AlertState
from emdr_stream.progress.measures import Measure
from emdr_stream.reports.fhir_codes import CODES, SYSTEM, VERSION, code_system, coded
from emdr_stream.reports.tables import PAGE_ROWS, Seconds, Wanted, seconds_of, sessions_of, steps_of
from emdr_stream.reports.writing import time_text
from emdr_stream.store.archive import MOST_ROWS, Archive, AuditEntry

Resource = dict[str, Any]
Resources = Iterable[Resource]
"""Made as they are asked for."""

_NAMES: Final = UUID("6f1d0f0e-5b39-5d0c-9c1c-0f4b1f6f2a11")
"""Root of the resources' ids: the same record has the same id in each export."""
_PSEUDONYMS: Final = f"urn:uuid:{uuid5(_NAMES, 'pseudonyms')}"
_SESSIONS: Final = f"urn:uuid:{uuid5(_NAMES, 'sessions')}"
_UCUM: Final = "http://unitsofmeasure.org"
_CATEGORIES: Final = "http://terminology.hl7.org/CodeSystem/observation-category"
_FLAGS: Final = "http://terminology.hl7.org/CodeSystem/flag-category"
_RISKS: Final = frozenset({AlertKind.CRISIS, AlertKind.HIGH_RISK, AlertKind.DISSOCIATION})
SERIES: Final = ("valence", "arousal", "attention", "risk", "crisis", "heart_rate")
"""Of a session's seconds: each becomes one Observation with SampledData."""
_SECOND_MS: Final = 1_000
LONGEST_SERIES_S: Final = 4 * 3_600
_MANIFEST: Final = "emdr_stream: estimated by models from faces and signals; no medical device"


class _Payload(msgspec.Struct, frozen=True):
    """What of an alert is exported beside what AlertTold has."""

    probability: float | None = None
    threshold: float | None = None
    model: dict[str, str] | None = None


_payload: Final = msgspec.json.Decoder(_Payload).decode


async def bundle_parts(archive: Archive, wanted: Wanted, now_ms: int) -> AsyncIterator[bytes]:
    """The bundle, a collection, some resources at a time, made in a thread. `now_ms`: its timestamp."""
    yield b'{"resourceType":"Bundle","type":"collection","timestamp":"%s","entry":[' % time_text(now_ms).encode()
    yield _entry(patient(wanted.user)) + b"," + _entry(code_system())
    for part in (_scores, _session_resources, _alert_resources, _audit_events):
        async for resources in part(archive, wanted):
            yield await asyncio.to_thread(_entries, resources)
    yield b"]}"


def _entries(resources: Resources) -> bytes:
    return b"".join(b"," + _entry(resource) for resource in resources)


async def _scores(archive: Archive, wanted: Wanted) -> AsyncIterator[Resources]:
    ratings = await archive.ratings(wanted.user, wanted.since_ms, MOST_ROWS)
    yield (of_rating(wanted.user, rating) for rating in ratings if rating.ts_ms < wanted.until_ms)
    outcomes = await archive.outcomes(wanted.user, wanted.since_ms, MOST_ROWS)
    yield (of_outcome(outcome) for outcome in outcomes if outcome.ts_ms < wanted.until_ms)


async def _session_resources(archive: Archive, wanted: Wanted) -> AsyncIterator[Resources]:
    async for sessions in sessions_of(archive, wanted):
        for session in sessions:
            yield of_figures(session)
            yield _series(wanted.user, session, await _seconds_of(archive, session))


async def _audit_events(archive: Archive, wanted: Wanted) -> AsyncIterator[Resources]:
    number = 0
    while found := await archive.audit(wanted.user, number, PAGE_ROWS):
        yield (of_audit(entry) for entry in found if wanted.since_ms <= entry.ts_ms < wanted.until_ms)
        number = found[-1].number


async def _seconds_of(archive: Archive, session: SessionFigures) -> Seconds:
    """As many as a series has at most, of each what a series is of: to let go of all else at the end takes long."""
    rows: list[tuple[int, dict[str, Any]]] = []
    async for found in seconds_of(archive, session.session_id):
        rows += [(ts_ms, {name: fields.get(name) for name in SERIES}) for ts_ms, fields in found]
        if rows[-1][0] - rows[0][0] > LONGEST_SERIES_S * _SECOND_MS:
            break
    return rows


def _series(user: str, session: SessionFigures, rows: Seconds) -> Iterator[Resource]:
    for name in SERIES:
        values = [(ts_ms, fields.get(name)) for ts_ms, fields in rows]
        if any(value is not None for _, value in values):
            yield of_series(user, session.session_id, name, values)


async def _alert_resources(archive: Archive, wanted: Wanted) -> AsyncIterator[Resources]:
    """A Flag for each alert as it stands now, and a RiskAssessment for each that a model raised."""
    newest: dict[str, tuple[AlertTold, bytes]] = {}
    async for found in steps_of(archive, wanted.user):
        for entry in found:
            told = alert_told(entry.payload)
            if told is not None and wanted.since_ms <= told.raised_ts < wanted.until_ms:
                newest[told.alert_id] = (told, entry.payload)
    yield _of_alerts(wanted.user, newest.values())


def _of_alerts(user: str, alerts: Iterable[tuple[AlertTold, bytes]]) -> Iterator[Resource]:
    for told, payload in alerts:
        yield of_flag(user, told)
        assessed = of_risk(user, told, _payload(payload))
        if assessed is not None:
            yield assessed


# one resource each ----------------------------------------------------------------------------------------------------
def patient(user: str) -> Resource:
    """The pseudonym as an identifier; no name, birth date or sex is known here."""
    return _resource("Patient", user, identifier=[{"system": _PSEUDONYMS, "value": user}])


def of_rating(user: str, rating: SessionRating) -> Resource:
    """SUD or VoC, given within a session."""
    place = f"{rating.session_id}/{rating.ts_ms}/{rating.scale}"
    return _score(user, place, rating.scale, rating.value, rating.ts_ms, note=f"in session {rating.session_id}")


def of_outcome(outcome: Outcome) -> Resource:
    """The result of a questionnaire, or a rating from outside a session."""
    place = f"{outcome.measure.value}/{outcome.target}/{outcome.ts_ms}"
    note = f"target: {outcome.target}" if outcome.target else ""
    return _score(outcome.user, place, outcome.measure.value, outcome.value, outcome.ts_ms, note=note)


def of_figures(session: SessionFigures) -> Iterator[Resource]:
    """Shares of a session that were derived from its seconds."""
    period = {"start": time_text(session.began_ms), "end": time_text(session.ended_ms)}
    for name, value in (("outside-window", session.outside), ("sight", session.sight)):
        if value is not None:
            yield _observation(
                session.user,
                f"{session.session_id}/{name}",
                name,
                category="procedure",
                effectivePeriod=period,
                valueQuantity=_quantity(round(100 * value, 2), "%", "%"),
                method={"text": _MANIFEST},
            )


def of_series(user: str, session_id: str, name: str, values: Sequence[tuple[int, float | None]]) -> Resource:
    """A series of one value a second; a second without one is `E`. At most LONGEST_SERIES_S."""
    first = values[0][0]
    known = {(ts_ms - first) // _SECOND_MS: value for ts_ms, value in values}
    length = min(max(known) + 1, LONGEST_SERIES_S)
    data = " ".join("E" if (value := known.get(i)) is None else f"{value:.4g}" for i in range(length))
    unit = ("/min", "/min") if name == "heart_rate" else ("1", "1")
    return _observation(
        user,
        f"{session_id}/{name}",
        name.replace("_", "-"),
        category="procedure",
        effectivePeriod={"start": time_text(first), "end": time_text(first + (length - 1) * _SECOND_MS)},
        valueSampledData={
            "origin": _quantity(0, *unit),
            "period": _SECOND_MS,
            "dimensions": 1,
            "data": data,
        },
        method={"text": "measured by a device" if name == "heart_rate" else _MANIFEST},
        note=[{"text": f"session {session_id}"}],
    )


def of_flag(user: str, told: AlertTold) -> Resource:
    """An alert: active until it is resolved."""
    over = told.state is AlertState.RESOLVED
    period = {"start": time_text(told.raised_ts)} | ({"end": time_text(told.ts)} if over else {})
    return _resource(
        "Flag",
        f"{user}/{told.alert_id}",
        status="inactive" if over else "active",
        category=[{"coding": [{"system": _FLAGS, "code": "safety", "display": "Safety"}]}],
        code=coded(f"alert-{told.kind.value}", text=f"{told.kind.value}, severity {told.severity.value}"),
        subject=_subject(user),
        period=period,
    )


def of_risk(user: str, told: AlertTold, more: _Payload) -> Resource | None:
    """What a model's score was when it raised the alert; None for an alert of a rule or of a person."""
    if told.kind not in _RISKS or more.probability is None:
        return None
    model = more.model or {}
    named = " ".join(filter(None, (model.get("name"), model.get("version"))))
    prediction: Resource = {
        "outcome": coded(f"alert-{told.kind.value}"),
        # R4 has percentages here.
        "probabilityDecimal": round(100 * more.probability, 2),
    }
    if more.threshold is not None:
        prediction["rationale"] = f"at or above the threshold of {100 * more.threshold:.0f} %"
    return _resource(
        "RiskAssessment",
        f"{user}/{told.alert_id}",
        status="final",
        subject=_subject(user),
        occurrenceDateTime=time_text(told.raised_ts),
        method={"text": f"model {named}" if named else _MANIFEST},
        prediction=[prediction],
        note=[{"text": "Simulated training data; sensitivity for real persons is unknown. No medical device."}],
    )


def of_audit(entry: AuditEntry) -> Resource:
    """An entry of the audit log; its number is that of the chain of hashes, which `emdr-stream audit verify` checks."""
    told = _object(entry.body)
    action = str(told.get("action", "unknown"))
    by = str(told.get("by") or entry.user or "emdr_stream")
    refused = told.get("refused") is True
    who = {"identifier": {"system": _PSEUDONYMS, "value": by}}
    entity: list[Resource] = [{"what": _subject(entry.user)}] if entry.user else []
    if entry.session_id:
        entity.append({"what": {"identifier": {"system": _SESSIONS, "value": entry.session_id}}})
    number = {"type": "number", "valueString": str(entry.number)}
    return _resource(
        "AuditEvent",
        f"audit/{entry.number}",
        type={"system": SYSTEM, "version": VERSION, "code": "audit", "display": CODES["audit"]},
        subtype=[{"system": SYSTEM, "version": VERSION, "code": "audit-action", "display": action}],
        action="E",
        recorded=time_text(entry.ts_ms),
        outcome="4" if refused else "0",
        outcomeDesc="refused" if refused else "done",
        agent=[{"who": who, "requestor": True}],
        source={"observer": {"display": "emdr_stream"}},
        entity=[*entity, {"name": "entry of the audit log", "detail": [number]}],
    )


# parts ----------------------------------------------------------------------------------------------------------------
def _score(user: str, place: str, name: str, value: float, ts_ms: int, note: str) -> Resource:
    more: Resource = {"note": [{"text": note}]} if note else {}
    measure = Measure(name)
    return _observation(
        user,
        place,
        measure.value,
        category="survey",
        effectiveDateTime=time_text(ts_ms),
        valueQuantity=_quantity(value, "score", "{score}"),
        **more,
    )


def _observation(user: str, place: str, code: str, *, category: str, **more: Any) -> Resource:
    return _resource(
        "Observation",
        f"{user}/{place}",
        status="final",
        category=[{"coding": [{"system": _CATEGORIES, "code": category}]}],
        code=coded(code),
        subject=_subject(user),
        **more,
    )


def _resource(kind: str, place: str, **elements: Any) -> Resource:
    return {"resourceType": kind, "id": str(uuid5(_NAMES, f"{kind}/{place}")), **elements}


def _subject(user: str) -> Resource:
    return {"reference": f"urn:uuid:{uuid5(_NAMES, f'Patient/{user}')}"}


def _quantity(value: float, unit: str, code: str) -> Resource:
    return {"value": value, "unit": unit, "system": _UCUM, "code": code}


def _entry(resource: Resource) -> bytes:
    return msgspec.json.encode({"fullUrl": f"urn:uuid:{resource['id']}", "resource": resource})


def _object(body: str) -> Mapping[str, Any]:
    found = msgspec.json.decode(body)
    return found if isinstance(found, dict) else {}
