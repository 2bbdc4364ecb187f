"""The ramp of goal G2 finds what a server can serve, and does not take a slow client for a slow server."""

import pytest

from benchmarks.plan import LoadReport
from benchmarks.ramp import Ramp, climb


def report(sessions: int, most: int, client_cpu_s: float = 1.0, **changes: float) -> LoadReport:
    """What a server that can serve `most` sessions, each a five-hundredth of its core, says under so many."""
    given = {
        "replies": 1_000,
        "sent": 1_000,
        "conflated": 0,
        "lost": 0,
        "latency_p99_ms": 5.0 if sessions <= most else 50.0,
        **changes,
    }
    return LoadReport(
        seconds=5.0,
        cpu_us_per_reply=None,
        server_cpu_s=5.0 * sessions / 5_000,
        children_cpu_s=0.0,
        client_cpu_s=client_cpu_s,
        latency_p50_ms=1.0,
        latency_max_ms=60.0,
        late_p99_ms=0.1,
        rss_before_kib=0,
        rss_after_kib=0,
        **given,  # type: ignore[arg-type]
    )


def ramp(most: int, client_cpu_s: float = 1.0) -> Ramp:
    return climb("a server", lambda sessions: report(sessions, most, client_cpu_s))


@pytest.mark.parametrize("most", [400, 590, 1_000, 3_333])
def test_the_largest_number_that_is_served_is_found_to_a_few_per_cent(most: int) -> None:
    found = ramp(most)
    assert 0.93 * most <= found.sessions <= most
    assert found.bound == found.sessions


def test_where_the_client_was_the_limit_the_server_counts_as_what_its_core_could_bear() -> None:
    found = ramp(1_000, client_cpu_s=4.9)
    assert found.bound == pytest.approx(5_000)
    assert "the client was the limit" in str(found)


@pytest.mark.parametrize("changes", [{"replies": 980}, {"lost": 1}, {"latency_p99_ms": 10.0}])
def test_a_server_that_does_not_serve_even_the_first_number_is_an_error(changes: dict[str, float]) -> None:
    with pytest.raises(RuntimeError, match="not even"):
        climb("a server", lambda sessions: report(sessions, 5_000, **changes))


def test_one_bad_try_is_the_machines_and_not_the_servers() -> None:
    tries: dict[int, int] = {}

    def stumbling(sessions: int) -> LoadReport:
        tries[sessions] = tries.get(sessions, 0) + 1
        return report(sessions, 1_000 if tries[sessions] > 1 else 0)

    assert climb("a server", stumbling).sessions > 930
