"""The REST API as a back end uses it: one request in, status, headers and body out; on the standard library alone."""

import http.client
import json
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from tests.system.service import Service


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def lines(self) -> list[Any]:
        """The body as JSON Lines."""
        return [json.loads(line) for line in self.body.splitlines()]


@dataclass(frozen=True, slots=True)
class Asked:
    """One request. `body`: bytes go as they are, anything else as JSON; `media`: the body's type."""

    method: str
    path: str
    query: dict[str, Any] = field(default_factory=dict)
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    media: str = "application/json"


def ask(service: Service, asked: Asked, token: str | None = None) -> Answer:
    """Send one request on a connection of its own."""
    headers = dict(asked.headers)
    body = asked.body
    if body is not None:
        headers = {"Content-Type": asked.media, **headers}
        body = body if isinstance(body, bytes) else json.dumps(body).encode()
    if token is not None:
        headers["Authorization"] = f"Bearer {token}"
    connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=20)
    try:
        query = f"?{urlencode(asked.query)}" if asked.query else ""
        connection.request(asked.method, asked.path + query, body=body, headers=headers)
        answer = connection.getresponse()
        return Answer(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())
    finally:
        connection.close()


def get(service: Service, path: str, token: str | None = None, **query: Any) -> Answer:
    return ask(service, Asked("GET", path, query), token)


def post(service: Service, path: str, body: Any, token: str | None = None, **headers: str) -> Answer:
    """`headers`: with underscores for dashes."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return ask(service, Asked("POST", path, body=body, headers=named), token)
