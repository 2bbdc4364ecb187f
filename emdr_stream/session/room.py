"""A session that wants to live on a worker in, whether there is room for it out: by number, by user, by load."""

from collections.abc import Callable
from typing import Final

from emdr_stream.session import denials
from emdr_stream.session.strain import Strain
from emdr_stream.telemetry.labels import Refusal
from emdr_stream.telemetry.metrics import Metrics

_NO_LIMIT: Final = 0.0


class Room:
    """One worker's. Who comes back to a session that lives here is never asked."""

    def __init__(
        self,
        metrics: Metrics,
        clock: Callable[[], float],
        most: int,
        most_per_user: int = 0,
        strain: Strain | None = None,
    ) -> None:
        """`clock`: monotonic seconds. `most`: live sessions; of one user `most_per_user`, 0 is no limit. `strain`: None
        is no limit on the load."""
        self._metrics = metrics
        self._clock = clock
        self._most = most
        self._most_per_user = most_per_user
        self._strain = strain or Strain(_NO_LIMIT)

    def check_new(self, sessions: int, of_user: Callable[[], int]) -> None:
        """Raises FatalProtocolError unless one more may be opened, by a user who has `of_user()` of the `sessions`.

        Sessions in their grace time count too, or one token would fill the worker by coming and going.
        """
        self._check_number(sessions)
        if self._most_per_user and of_user() >= self._most_per_user:
            self._metrics.refused(Refusal.USER)
            raise denials.crowded()
        if not self._strain.admits(self._clock()):
            self._metrics.refused(Refusal.LOAD)
            raise denials.strained()

    def check_return(self, sessions: int) -> None:
        """Raises FatalProtocolError unless a session of another worker may be taken over, whose client has come here.

        It is refused later than a new one: its client waits, with the stimulus at rest. But the sessions of a worker
        that died must not drown the next one, and with it all that live there. One that was adopted lives here.
        """
        self._check_number(sessions)
        if self._strain.drowns(self._clock()):
            self._metrics.refused(Refusal.LOAD)
            raise denials.strained()

    def took(self) -> None:
        """A session lives here from now on."""
        self._strain.came(self._clock())

    def told(self, sessions: int) -> str:
        """Why none of the new would be let in now, in words; empty while they would."""
        if sessions >= self._most:
            return f"there are {sessions} sessions, as many as there may be (EMDR_MAX_SESSIONS)"
        strained = self._strain.told(self._clock())
        return f"{strained} (EMDR_MAX_LOAD)" if strained else ""

    def _check_number(self, sessions: int) -> None:
        if sessions >= self._most:
            self._metrics.refused(Refusal.SESSIONS)
            raise denials.full()
