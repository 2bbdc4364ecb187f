"""A token's time on a socket."""

import asyncio
import gc
import weakref

from prometheus_client import CollectorRegistry

from emdr_stream.domain import Role
from emdr_stream.endpoints.auth import Principal, TokenAuthority
from emdr_stream.endpoints.licence import Licence
from emdr_stream.settings import TokenSettings
from emdr_stream.telemetry.metrics import Metrics


class Holder:
    """Has a licence, and is told when it expires: as a socket's sink."""

    def __init__(self, metrics: Metrics) -> None:
        principal = Principal("u", Role.CLIENT, None, frozenset(), expires_at=4e9)
        authority = TokenAuthority(TokenSettings(key=b"a secret of our own, thirty-two bytes long and more"))
        self.licence = Licence(principal, authority, metrics, self.expired)

    def expired(self) -> None:
        raise AssertionError("it does not expire within the test")


def test_who_held_a_licence_that_has_ended_is_free_at_once() -> None:
    async def end_one() -> "weakref.ref[Holder]":
        holder = Holder(Metrics(CollectorRegistry(), version="test"))
        holder.licence.end()
        return weakref.ref(holder)

    gc.disable()
    try:
        assert asyncio.run(end_one())() is None
    finally:
        gc.enable()
