"""The line before a worker: first come, first read; two are with it; nothing is lost but what it was reading."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emdr_stream.vision.line import Frame, Line


def frame(number: int, joined_s: float = 0.0) -> Frame:
    return Frame(number, number, 0.0, b"", lambda outcome: None, joined_s)


def sent(line: Line, now_s: float = 0.0) -> list[int]:
    return [one.number for one in line.to_send(now_s)]


def test_two_frames_are_sent_and_the_next_follows_an_answer() -> None:
    line = Line()
    for number in range(1, 5):
        line.join(frame(number))
    assert sent(line) == [1, 2]
    assert sent(line) == []
    assert line.answered(1, 1.0).number == 1
    assert sent(line) == [3]


def test_a_frame_starts_when_the_one_before_it_is_answered() -> None:
    line = Line()
    first, second = frame(1), frame(2)
    line.join(first)
    line.join(second)
    sent(line, 5.0)
    assert (first.started_s, second.started_s) == (5.0, None)
    line.answered(1, 7.0)
    assert second.started_s == 7.0


@pytest.mark.parametrize("number", [2, 3, 99])
def test_an_answer_to_anything_but_the_frame_that_is_read_is_no_answer(number: int) -> None:
    line = Line()
    for joining in (1, 2, 3):
        line.join(frame(joining))
    sent(line)
    with pytest.raises(ValueError, match="not being read"):
        line.answered(number, 0.0)


def test_what_a_lost_worker_had_not_come_to_goes_first() -> None:
    line = Line()
    for number in (1, 2, 3):
        line.join(frame(number))
    sent(line)
    guilty = line.broken()
    assert guilty is not None and guilty.number == 1
    assert sent(line) == [2, 3]


def test_where_something_else_may_have_been_the_end_no_frame_leaves() -> None:
    line = Line()
    for number in (1, 2, 3):
        line.join(frame(number))
    sent(line)
    assert line.broken(innocent=True) is None
    assert sent(line) == [1, 2]


def test_an_abandoned_frame_is_not_sent_again() -> None:
    line = Line()
    frames = [frame(number) for number in (1, 2, 3)]
    for one in frames:
        line.join(one)
    sent(line)
    frames[1].abandoned = True
    line.broken()
    assert sent(line) == [3]


class Play:
    """A line, and what has joined it and left it."""

    def __init__(self) -> None:
        self.line = Line()
        self.joined: list[int] = []
        self.gone: list[int] = []

    def join(self, _: int) -> None:
        self.joined.append(len(self.joined) + 1)
        self.line.join(frame(self.joined[-1]))

    def send(self, _: int) -> None:
        assert len(sent(self.line)) <= 2

    def answer(self, _: int) -> None:
        if self.line.head is not None:
            self.gone.append(self.line.answered(self.line.head.number, 0.0).number)

    def lose(self, number: int) -> None:
        guilty = self.line.broken(innocent=number > 4)
        self.gone += [] if guilty is None else [guilty.number]

    def take_back(self, number: int) -> None:
        self.gone += [number] if self.line.take_back(number) else []

    def exchange(self, number: int) -> None:
        fresh = len(self.joined) + 1
        if self.line.exchange(number, frame(fresh)):
            self.gone.append(number)
            self.joined.append(fresh)


STEPS = st.sampled_from((Play.join, Play.send, Play.answer, Play.lose, Play.take_back, Play.exchange))


@given(st.lists(st.tuples(STEPS, st.integers(1, 8))))
def test_every_frame_leaves_once_whatever_happens(steps: list[tuple[Callable[[Play, int], None], int]]) -> None:
    play = Play()
    for step, number in steps:
        step(play, number)
        assert len(play.line) == len(play.joined) - len(play.gone)
    assert sorted(play.gone + [one.number for one in play.line.clear()]) == play.joined
