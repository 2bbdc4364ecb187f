"""Live sessions of a person who is erased in, ended and let go out: clients are told, nothing is saved any more."""

from collections.abc import Iterable
from contextlib import suppress

from emdr_stream.errors import ProtocolError
from emdr_stream.session.runner import SessionRunner
from emdr_stream.wire.watch import EndCommand

_WHY = "the records are erased"


def end_for_good(runners: Iterable[SessionRunner], by: str) -> tuple[str, ...]:
    """End each at the word of `by`; one that cannot end by itself is left as it is. Gives their ids."""
    ended = []
    for runner in runners:
        with suppress(ProtocolError):
            runner.command(EndCommand(session_id=runner.session_id, reason=_WHY), by)
        runner.leave(_WHY)
        ended.append(runner.session_id)
    return tuple(ended)
