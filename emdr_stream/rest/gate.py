"""A request's headers in, who asks out: token, role and rate, in this order, before anything of the body is read."""

import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from starlette.requests import Request

from emdr_stream.endpoints.auth import Principal, TokenAuthority
from emdr_stream.endpoints.guard import Guard
from emdr_stream.endpoints.trail import note_refusal
from emdr_stream.errors import ErrorCode, FatalProtocolError, ProtocolError
from emdr_stream.rest.operation import Operation
from emdr_stream.rest.problems import Problem, ProblemCode, of_protocol
from emdr_stream.session.registry import SessionRegistry
from emdr_stream.telemetry.labels import AuthFailure
from emdr_stream.telemetry.metrics import Metrics

_BEARER: Final = "bearer "
_MALFORMED: Final = 1_000_000
"""Malformed requests cost no more than others: the rate alone bounds them."""
_CALLERS: Final = 10_000
"""How many callers' rates are remembered; who has been silent longest is forgotten first."""


class Gate:
    """Lets callers of one worker in, or raises Problem. `clock` in seconds, monotonic."""

    def __init__(
        self,
        authority: TokenAuthority,
        registry: SessionRegistry,
        metrics: Metrics,
        rate_hz: int,
        clock: Callable[[], float],
    ) -> None:
        self._authority = authority
        self._registry = registry
        self._metrics = metrics
        self._rate_hz = rate_hz
        self._clock = clock
        self._guards: OrderedDict[tuple[str, str], Guard] = OrderedDict()

    def admit(self, operation: Operation, request: Request) -> Principal:
        """Who asks. Raises Problem: unauthorized, token_expired, rate_limited, forbidden."""
        principal = self._principal(request)
        self._check_rate(principal)
        if principal.role not in operation.roles:
            why = f"the role `{principal.role}` may not use this"
            self._metrics.auth_failed(AuthFailure.FORBIDDEN)
            note_refusal(self._registry, principal, operation.name, ProtocolError(ErrorCode.FORBIDDEN, why))
            raise Problem(ProblemCode.FORBIDDEN, why)
        return principal

    def _principal(self, request: Request) -> Principal:
        header = request.headers.get("authorization", "")
        if not header.lower().startswith(_BEARER):
            self._metrics.auth_failed(AuthFailure.MISSING)
            raise Problem(ProblemCode.UNAUTHORIZED, "a token is needed: `Authorization: Bearer`", field="Authorization")
        try:
            return self._authority.verify(header[len(_BEARER) :].strip(), time.time())
        except FatalProtocolError as refused:
            self._metrics.auth_failed(AuthFailure(refused.code.value))
            problem = of_protocol(refused)
            raise Problem(problem.code, problem.detail, field="Authorization") from None

    def _check_rate(self, principal: Principal) -> None:
        who = (principal.role.value, principal.sub)
        guard = self._guards.get(who)
        if guard is None:
            guard = self._guards[who] = Guard(self._rate_hz, _MALFORMED)
            if len(self._guards) > _CALLERS:
                self._guards.popitem(last=False)
        self._guards.move_to_end(who)
        if not guard.admits(self._clock()):
            raise Problem(ProblemCode.RATE_LIMITED, f"at most {self._rate_hz} requests a second on each worker")
