"""A principal and its renewed tokens in; who may go on out, and a call when the time is over."""

import asyncio
import time
from collections.abc import Callable

from emdr_stream.endpoints.auth import Principal, TokenAuthority
from emdr_stream.errors import CloseCode, ErrorCode, FatalProtocolError
from emdr_stream.telemetry.labels import AuthFailure
from emdr_stream.telemetry.metrics import Metrics


class Licence:
    """What one socket's token allows, until it expires: then `expired` is called, once. `end` it with the socket."""

    __slots__ = ("_authority", "_expired", "_loop", "_metrics", "_timer", "principal")

    def __init__(
        self, principal: Principal, authority: TokenAuthority, metrics: Metrics, expired: Callable[[], None]
    ) -> None:
        self._authority = authority
        self._metrics = metrics
        self._expired = expired
        self._loop = asyncio.get_running_loop()
        self.principal = principal
        self._timer = self._until_expiry()

    def renew(self, token: str, session_id: str | None = None, user: str | None = None) -> None:
        """Go on with a renewed token, which must be the same person's and, for a session's socket, allow that session.

        `user`: whose session it is; a back end's renewed token may name fewer `clients` than before.

        Raises FatalProtocolError: `unauthorized`, `token_expired`, or `forbidden` with 4503.
        """
        try:
            renewed = self._authority.verify(token, time.time())
            same = self.principal.may_become(renewed) and (session_id is None or renewed.may_open(session_id))
            if not same or (user is not None and not renewed.may_see(user)):
                why = "a renewed token must keep `sub` and `role`, and allow the session"
                raise FatalProtocolError(ErrorCode.FORBIDDEN, why, CloseCode.FORBIDDEN, param="token")
        except FatalProtocolError as problem:
            self._metrics.auth_failed(AuthFailure(problem.code.value))
            raise
        self._timer.cancel()
        self.principal = renewed
        self._timer = self._until_expiry()

    def end(self) -> None:
        self._timer.cancel()
        # Cut the circle with who is told: it holds a session, whose memory would else wait for the garbage collector.
        self._expired = _nobody_to_tell

    def _until_expiry(self) -> asyncio.TimerHandle:
        return self._loop.call_later(max(0.0, self.principal.expires_at - time.time()), self._expired)


def _nobody_to_tell() -> None:
    """The socket is gone."""
