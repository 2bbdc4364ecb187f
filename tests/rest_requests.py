"""A person with a live session in, a valid request of every REST operation out: for the matrix of roles and the pages.

Who adds an operation adds its request here; the tests fail otherwise.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from emdr_stream.rest.operation import NDJSON
from emdr_stream.rest.operations import OPERATIONS
from tests.system.rest import Asked

TS: Final = 1_795_420_800_000


@dataclass(frozen=True, slots=True)
class Person:
    """A client, and a session of theirs that is live; and an open proposal for it, where one is needed."""

    user: str
    session_id: str
    decision_id: str = "s0123456789abcdef.d0"


def samples(count: int = 3) -> list[dict[str, Any]]:
    """Calm ones, ten a second."""
    return [
        {"ts": TS + 100 * number, "dimensions": {"valence": 0.1, "arousal": -0.1, "attention": 0.8}}
        for number in range(count)
    ]


REQUESTS: Final[dict[str, Callable[[Person], Asked]]] = {
    "emotion.analyze": lambda person: Asked("POST", "/v1/emotion/analyze", body={"samples": samples()}),
    "emotion.batch-process": lambda person: Asked(
        "POST", "/v1/emotion/batch-process", body=b'{"samples": [{"ts": 1795420800000}]}\n', media=NDJSON
    ),
    "emotion.patterns": lambda person: Asked("GET", "/v1/emotion/patterns", {"user": person.user}),
    "emotion.predict": lambda person: Asked(
        "POST",
        "/v1/emotion/predict",
        body={"measure": "sud", "ratings": [{"session": 1, "value": 8}, {"session": 2, "value": 6}]},
    ),
    "personalization.adapt": lambda person: Asked(
        "POST", "/v1/personalization/adapt", body={"session_id": person.session_id, "config": {"speed": 0.9}}
    ),
    "personalization.profile": lambda person: Asked("GET", "/v1/personalization/profile", {"user": person.user}),
    "personalization.recommend": lambda person: Asked(
        "POST", "/v1/personalization/recommend", body={"session_id": person.session_id}
    ),
    "personalization.optimize": lambda person: Asked(
        "POST", "/v1/personalization/optimize", body={"session_id": person.session_id}
    ),
    "personalization.accept": lambda person: Asked(
        "POST", "/v1/personalization/accept", body={"decision_id": person.decision_id}
    ),
    "personalization.reject": lambda person: Asked(
        "POST", "/v1/personalization/reject", body={"decision_id": person.decision_id}
    ),
    "personalization.lock": lambda person: Asked(
        "POST", "/v1/personalization/lock", body={"user": person.user, "parts": ["path"]}
    ),
    "safety.analyze": lambda person: Asked("POST", "/v1/safety/analyze", body={"samples": samples()}),
    "safety.alert": lambda person: Asked(
        "POST", "/v1/safety/alert", body={"session_id": person.session_id, "text": "looks pale"}
    ),
    "safety.thresholds": lambda person: Asked("GET", "/v1/safety/thresholds", {"session_id": person.session_id}),
    "safety.intervention": lambda person: Asked(
        "POST", "/v1/safety/intervention", body={"session_id": person.session_id, "type": "breathing"}
    ),
    "analytics.dashboard": lambda person: Asked("GET", "/v1/analytics/dashboard", {"user": person.user}),
    "analytics.insights": lambda person: Asked("POST", "/v1/analytics/insights", body={"user": person.user}),
    "analytics.trends": lambda person: Asked("GET", "/v1/analytics/trends", {"user": person.user}),
    "analytics.outcome": lambda person: Asked(
        "POST", f"/v1/users/{person.user}/outcomes", body={"measure": "pcl5", "value": 44}
    ),
    "analytics.export": lambda person: Asked(
        "POST", "/v1/analytics/export", body={"user": person.user, "format": "jsonl"}
    ),
    "analytics.report": lambda person: Asked("GET", f"/v1/sessions/{person.session_id}/report"),
    "analytics.models": lambda person: Asked("GET", "/v1/analytics/models"),
    "sessions.list": lambda person: Asked("GET", "/v1/sessions", {"user": person.user}),
    "sessions.one": lambda person: Asked("GET", f"/v1/sessions/{person.session_id}"),
    "sessions.timeline": lambda person: Asked("GET", f"/v1/sessions/{person.session_id}/timeline"),
    "sessions.recording": lambda person: Asked("GET", f"/v1/sessions/{person.session_id}/recording"),
    "users.export": lambda person: Asked("GET", f"/v1/users/{person.user}/export"),
    "users.erase": lambda person: Asked("DELETE", f"/v1/users/{person.user}"),
}

NOBODYS: Final = frozenset(
    {"emotion.analyze", "emotion.batch-process", "emotion.predict", "safety.analyze", "analytics.models"}
)
"""Operations about nobody whom the service knows: a token's `clients` do not matter there."""

OF_PROPOSALS: Final = frozenset({"personalization.accept", "personalization.reject"})
"""Operations that need an open proposal."""

assert REQUESTS.keys() == {operation.name for operation in OPERATIONS}, "each operation needs its request here"
