"""Late answers are owed to the stall that made them late, and a stall to whoever had the core meanwhile."""

from benchmarks.stall import Log, Mark, Stall, blamed, waited_s

OURS = Stall("gc 1", began=10.0, took_s=0.2, cpu_s=0.19, waited_s=0.001)
NEIGHBOUR = Stall("a batch", began=20.0, took_s=0.008, cpu_s=0.001, waited_s=0.007)
HOST = Stall("a client's bytes", began=30.0, took_s=0.04, cpu_s=0.0004, waited_s=0.0)


def test_a_stall_is_put_down_to_our_work_a_neighbour_or_the_machine() -> None:
    assert OURS.cause == "own work: gc 1"
    assert NEIGHBOUR.cause == "another process had the core"
    assert HOST.cause == "the machine stood still, or nothing came"


def test_an_answer_is_late_because_of_the_longest_stall_around_it() -> None:
    short = Stall("timers", began=10.19, took_s=0.004, cpu_s=0.004, waited_s=0.0)
    late = [(10.1, 0.15), (10.15, 0.06), (20.05, 0.02), (25.0, 0.011)]
    assert blamed(late, [short, OURS, NEIGHBOUR, HOST]) == {
        "own work: gc 1": 2,
        "another process had the core": 1,
        "no stall: too much work": 1,
    }


def test_what_lies_outside_of_the_measured_time_is_left_out() -> None:
    marks = [Mark(float(at), {}, {}) for at in (9, 15, 25)]
    within = Log([OURS, NEIGHBOUR, HOST], marks).between(11.0, 26.0)
    assert within == Log([NEIGHBOUR], [marks[1], marks[2]])


def test_time_in_line_for_the_core_never_falls() -> None:
    before = waited_s()
    assert 0.0 <= before <= waited_s()
