"""Who is let in and who is not, one address at a time; the live handshake is in tests/system/test_admission.py."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emdr_stream.endpoints.admission import Crowd, peer_of
from emdr_stream.telemetry.labels import Refusal

VISITS = st.lists(st.tuples(st.booleans(), st.sampled_from(["a", "b", "c", None])), max_size=60)


@given(VISITS, st.integers(0, 5), st.integers(0, 3))
def test_no_coming_and_going_exceeds_a_limit_or_leaves_a_trace(
    visits: list[tuple[bool, str | None]], most: int, most_per_peer: int
) -> None:
    crowd = Crowd(most, most_per_peer)
    inside: list[str | None] = []
    for comes, peer in visits:
        if comes and crowd.enter(peer) is None:
            inside.append(peer)
        elif not comes and peer in inside:
            inside.remove(peer)
            crowd.leave(peer)
        assert crowd.total == len(inside)
        assert not most or len(inside) <= most
        assert not most_per_peer or all(inside.count(each) <= most_per_peer for each in "abc")
    for peer in inside:
        crowd.leave(peer)
    assert (crowd.total, crowd.peers) == (0, 0)


def test_a_full_worker_is_named_before_a_full_address() -> None:
    crowd = Crowd(2, 1)
    assert crowd.enter("a") is None
    assert crowd.enter("a") is Refusal.PEER
    assert crowd.enter("b") is None
    assert crowd.enter("a") is Refusal.WORKER


def test_a_limit_of_nothing_lets_everybody_in() -> None:
    crowd = Crowd(0, 0)
    assert {crowd.enter("a") for _ in range(10_000)} == {None}


@pytest.mark.parametrize(
    ("host", "counted_as"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::1", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("testclient", "testclient"),
        ("", None),
    ],
)
def test_an_address_is_counted_as_its_subscriber(host: str, counted_as: str | None) -> None:
    assert peer_of({"type": "websocket", "client": (host, 4711)}) == counted_as


def test_a_peer_without_an_address_has_none() -> None:
    assert peer_of({"type": "websocket", "client": None}) is None
    assert peer_of({"type": "websocket"}) is None
