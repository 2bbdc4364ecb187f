"""Every picture of a socket has one answer; one is in work, the newest waits. In virtual time, with a seat by hand."""

from collections.abc import Callable
from typing import Any

import pytest

from emdr_stream.domain import Source
from emdr_stream.endpoints.camera_desk import FRAME_MODEL, CameraDesk
from emdr_stream.endpoints.camera_traffic import CameraTraffic
from emdr_stream.errors import ErrorCode, ProtocolError
from emdr_stream.session.runner import SessionRunner
from emdr_stream.store.base import RecordKind
from emdr_stream.vision.reading import FaceReading
from emdr_stream.wire.face import Expression, FaceProblem, FaceView, HeadPose
from emdr_stream.wire.stream import Bye, Frame, Rating
from emdr_stream.wire.values import ModelRef
from tests.session.world import STARTED_TS, Wire, World, attach, make_runner

CALM = Expression(emotions=(0.05, 0.05, 0.05, 0.05, 0.05, 0.05, 0.7), valence=0.1, arousal=-0.1)
FACE = FaceView(faces=1, quality=0.9, expression=CALM, eye_closure=0.1, pose=HeadPose(yaw=0.0, pitch=0.0, roll=0.0))
NOBODY = FaceView(faces=0, quality=0.0, problem=FaceProblem.NO_FACE)
TWO = FaceView(faces=2, quality=0.0, problem=FaceProblem.MANY_FACES)
DARK = FaceView(faces=1, quality=0.0, problem=FaceProblem.TOO_DARK)
FPS = 10
SAFETY, ONE, TWO_OF_IT = (
    ModelRef(name=name, version=version, sha256="0" * 64)
    for name, version in (("emotion_safety", "7"), (FRAME_MODEL, "1"), (FRAME_MODEL, "2"))
)
Done = Callable[[FaceReading | ProtocolError], None]


class Seat:
    """A place in a worker that looks when the test says so."""

    def __init__(self) -> None:
        self.asked: list[tuple[bytes, float, Done]] = []
        self.readers: list[ModelRef | None] = []
        """Who was to read each picture that was asked about."""
        self.closed = False
        self.line = False
        """Whether what was asked still waits for a worker."""

    def submit(self, image: bytes, ts_ms: float, done: Done, reader: ModelRef | None) -> None:
        assert not self.asked, "one picture of a session is in work at a time"
        self.asked.append((image, ts_ms, done))
        self.readers.append(reader)

    def replace(self, image: bytes, ts_ms: float, done: Done, reader: ModelRef | None) -> bool:
        if not self.line:
            return False
        assert self.asked
        self.asked = [(image, ts_ms, done)]
        self.readers[-1] = reader
        return True

    def withdraw(self) -> bool:
        taken_back = self.line and bool(self.asked)
        if taken_back:
            self.asked = []
        return taken_back

    def close(self) -> None:
        self.closed = True

    def look(self, outcome: FaceView | ProtocolError = FACE) -> None:
        _, _, done = self.asked.pop()
        done(FaceReading(outcome, 1.0, 5.0, 0.5) if isinstance(outcome, FaceView) else outcome)


class Place:
    """A session that sends pictures, with all that is around it."""

    def __init__(self, fps: int = 1_000) -> None:
        self.world = World()
        self.runner: SessionRunner = make_runner(
            self.world, source=Source.FRAME, result_rate_hz=10.0, models=(SAFETY, ONE)
        )
        self.wire: Wire = attach(self.runner)
        self.seat = Seat()
        self.traffic = CameraTraffic(fps, workers=1)
        self.desk = self.runner.frames = CameraDesk(
            self.runner, self.seat, self.traffic, self.world.metrics, lambda: self.world.now, self._inspect
        )
        self.sent = 0

    @staticmethod
    def _inspect(image: bytes) -> None:
        if image == b"bomb":
            raise ProtocolError(ErrorCode.IMAGE_REJECTED, "no picture", param="image")

    def send(self, image: bytes = b"face", pass_s: float = 0.1) -> int:
        """One picture; its id."""
        self.world.pass_s(pass_s)
        self.sent += 1
        ts = STARTED_TS + (self.world.now - 100.0) * 1_000
        self.desk.offer(Frame(id=self.sent, ts=ts, image=image), self.world.now)
        return self.sent

    def show(self, outcome: FaceView | ProtocolError = FACE) -> int:
        sent = self.send()
        self.seat.look(outcome)
        self.world.answer()
        return sent

    def answers(self) -> list[tuple[str, Any]]:
        """Type and `re`, or reason or code, of every answer so far."""
        told = {"skipped": "reason", "error": "code"}
        return [
            (m["type"], m["re"]) if m["type"] == "result" else (m[told[m["type"]]], m["re"])
            for m in self.wire.sent
            if m["type"] in {"result", *told}
        ]


def test_every_picture_is_answered_once_faster_than_the_results_rate_too() -> None:
    place = Place()
    sent = [place.show() for _ in range(100)]
    assert place.answers() == [("result", number) for number in sent]
    place.world.pass_s(0.01)
    place.send(pass_s=0.01)
    place.seat.look()
    place.world.answer()
    assert place.answers()[-1] == ("result", place.sent)


def test_a_result_tells_where_the_time_of_its_picture_went() -> None:
    place = Place()
    for _ in range(40):
        place.show()
    place.send()
    place.world.pass_s(0.02)
    place.seat.look()
    place.world.pass_s(0.004)
    place.world.answer()
    timing = place.wire.all("result")[-1]["timing"]
    assert (timing["decode_ms"], timing["face_ms"]) == (1.0, 5.0)
    assert timing["infer_ms"] == pytest.approx(0.7)
    assert timing["total_ms"] == pytest.approx(24.0)
    assert timing["queue_ms"] == pytest.approx(24.0 - 6.7)


def test_the_newest_picture_waits_and_an_older_one_is_superseded() -> None:
    place = Place()
    first, second, third = (place.send() for _ in range(3))
    assert place.answers() == [("superseded", second)]
    place.seat.look()
    assert place.answers()[-1] == ("result", first)
    place.seat.look()
    assert place.answers() == [("superseded", second), ("result", first), ("result", third)]


def test_a_picture_that_no_worker_has_yet_gives_its_place_to_a_newer_one() -> None:
    place = Place()
    place.seat.line = True
    first, second = place.send(), place.send(b"newer")
    assert place.answers() == [("superseded", first)]
    assert place.seat.asked[0][0] == b"newer"
    place.seat.line = False
    third = place.send()
    place.seat.look()
    place.seat.look()
    assert place.answers()[1:] == [("result", second), ("result", third)]


def test_the_next_picture_waits_for_the_scores_of_the_one_before() -> None:
    place = Place()
    for _ in range(40):
        place.show()
    place.send()
    place.send()
    place.seat.look()
    assert not place.seat.asked
    place.world.answer()
    assert len(place.seat.asked) == 1


def test_a_picture_is_read_by_the_version_that_the_session_names() -> None:
    place = Place()
    place.show()
    place.runner.models_changed((SAFETY, TWO_OF_IT))
    place.show()
    place.runner.models_changed((SAFETY,))
    place.show()
    assert place.seat.readers == [ONE, TWO_OF_IT, None]


def test_a_picture_that_was_looked_at_while_versions_changed_is_looked_at_again() -> None:
    """The client was told of the second version before the answer: the first says nothing more."""
    place = Place()
    place.show()
    sent = place.send()
    place.runner.models_changed((SAFETY, TWO_OF_IT))
    place.seat.look(NOBODY)
    assert place.answers() == [("result", 1)]
    place.seat.look()
    place.world.answer()
    assert place.seat.readers == [ONE, ONE, TWO_OF_IT]
    assert place.answers() == [("result", 1), ("result", sent)]
    kinds = [kind for kind in place.wire.types() if kind in {"models", "result"}]
    assert kinds == ["result", "models", "result"]


def test_a_newer_picture_waits_while_an_older_one_is_looked_at_again() -> None:
    place = Place()
    first, second = place.send(), place.send()
    place.runner.models_changed((SAFETY, TWO_OF_IT))
    for _ in range(3):
        place.seat.look()
    assert place.seat.readers == [ONE, TWO_OF_IT, TWO_OF_IT]
    assert place.answers() == [("result", first), ("result", second)]


def test_a_picture_that_takes_the_place_of_a_waiting_one_is_read_by_the_version_of_its_own_time() -> None:
    place = Place()
    place.seat.line = True
    place.send()
    place.runner.models_changed((SAFETY, TWO_OF_IT))
    second = place.send(b"newer")
    place.seat.line = False
    place.seat.look()
    assert place.seat.readers == [TWO_OF_IT]
    assert place.answers() == [("superseded", 1), ("result", second)]


def test_a_change_of_another_model_has_nothing_looked_at_again() -> None:
    place = Place()
    sent = place.send()
    place.runner.models_changed((ModelRef(name="emotion_safety", version="8", sha256="1" * 64), ONE))
    place.seat.look()
    assert place.answers() == [("result", sent)]


@pytest.mark.parametrize(("view", "reason"), [(NOBODY, "no_face"), (TWO, "many_faces")])
def test_a_picture_without_one_face_is_skipped_with_the_reason(view: FaceView, reason: str) -> None:
    place = Place()
    place.show()
    assert place.answers()[-1] == ("result", 1)
    sent = place.show(view)
    assert place.answers()[-1] == (reason, sent)


def test_a_dark_picture_brings_a_result_that_shows_nothing_and_says_why() -> None:
    place = Place()
    place.show()
    place.show(DARK)
    result = place.wire.all("result")[-1]
    assert set(result["emotions"].values()) == {None}
    assert result["signal"]["reason"] == "too_dark"
    place.show()
    assert "reason" not in place.wire.all("result")[-1]["signal"]


def test_a_face_that_leaves_is_stale_then_lost_and_pauses_with_the_reason_as_evidence() -> None:
    place = Place()
    for _ in range(20):
        place.show()
    for _ in range(90):
        place.show(NOBODY)
    assert [signal["status"] for signal in place.wire.all("signal")] == ["stale", "lost"]
    assert place.wire.all("control.pause")[0]["reason"] == "signal_lost"
    assert b'"no_face"' in place.world.alerts[0].payload
    assert len(place.answers()) == 110


def test_two_faces_for_a_second_pause() -> None:
    place = Place()
    for _ in range(12):
        place.show(TWO)
    assert place.wire.all("control.pause")[0]["reason"] == "many_faces"


def test_a_picture_that_no_decoder_may_see_is_refused_and_the_next_goes_on() -> None:
    place = Place()
    place.send(b"bomb")
    assert place.answers() == [("image_rejected", 1)]
    place.send()
    place.send(b"bomb")
    place.seat.look()
    assert place.answers()[1:] == [("image_rejected", 3), ("result", 2)]
    assert place.show() == 4
    assert place.answers()[-1] == ("result", 4)


def test_a_failed_look_is_an_error_and_the_session_goes_on() -> None:
    place = Place()
    place.show(ProtocolError(ErrorCode.INTERNAL, "the picture could not be looked at"))
    assert place.answers() == [("internal", 1)]
    place.show()
    assert place.answers()[-1] == ("result", 2)


def test_pictures_beyond_the_rate_are_skipped_and_a_new_rate_is_told() -> None:
    place = Place(fps=10)
    for _ in range(30):
        place.send(pass_s=1 / 30)
        if place.seat.asked:
            place.seat.look()
            place.world.answer()
    counted = [kind for kind, _ in place.answers()]
    assert len(counted) == 30
    assert 10 <= counted.count("result") <= 12
    assert counted.count("rate") == 30 - counted.count("result")
    assert not place.wire.all("limits")
    place.traffic.cameras[0].rate_hz = 5
    place.send()
    assert place.wire.all("limits") == [{"type": "limits", "fps": 5}]


def test_a_picture_without_an_id_is_refused_because_no_answer_could_name_it() -> None:
    place = Place()
    place.desk.offer(Frame(ts=1.0, image=b"face"), place.world.now)
    error = place.wire.all("error")[0]
    assert (error["code"], error["param"]) == ("invalid_field", "id")


def test_an_older_picture_is_skipped_as_stale() -> None:
    place = Place()
    place.show()
    place.world.pass_s(0.1)
    place.desk.offer(Frame(id="old", ts=float(STARTED_TS - 500), image=b"face"), place.world.now)
    place.seat.look()
    assert place.answers()[-1] == ("stale", "old")


def test_a_wrong_time_is_an_error_of_its_picture_alone() -> None:
    place = Place()
    # It was looked at first. Where the session could not hear of it at once, because its worker had stood still, the
    # error was taken for another message's, and no picture after it was begun.
    place.desk.offer(Frame(id="odd", ts=float("inf"), image=b"face"), place.world.now)
    assert place.answers() == [("invalid_field", "odd")] and not place.seat.asked
    place.show()
    assert place.answers()[-1][0] == "result"


def test_what_is_seen_after_the_socket_is_gone_reaches_nobody() -> None:
    place = Place()
    place.send()
    place.send()
    place.desk.close()
    assert place.seat.closed
    place.seat.look()
    assert place.answers() == []
    assert not place.traffic.cameras


def test_a_picture_in_work_when_the_session_ends_harms_nobody() -> None:
    place = Place()
    place.show()
    place.send()
    place.runner.take(Bye(), place.world.now)
    place.seat.look()
    assert place.wire.close_code == 1000
    assert place.answers() == [("result", 1)]


def test_an_error_of_another_message_with_the_same_id_is_no_answer_of_the_picture() -> None:
    place = Place()
    place.send()
    place.runner.take(Rating(id=1, scale="sud", value=50.0), place.world.now)
    assert place.answers() == [("invalid_field", 1)]
    second = place.send()
    place.seat.look()
    place.seat.look()
    assert place.answers()[1:] == [("result", 1), ("result", second)]


def test_an_error_while_the_scores_are_awaited_is_no_answer_either() -> None:
    place = Place()
    for _ in range(40):
        place.show()
    sent = place.send()
    waiting = place.send()
    place.seat.look()
    place.runner.take(Rating(id=sent, scale="sud", value=50.0), place.world.now)
    assert not place.seat.asked
    place.world.answer()
    place.seat.look()
    place.world.answer()
    assert place.answers()[-2:] == [("result", sent), ("result", waiting)]


def test_what_an_old_socket_showed_reaches_no_other() -> None:
    place = Place()
    place.show()
    place.send()
    new = attach(place.runner, last_seq=0)
    place.seat.look()
    assert not [message for message in new.sent if message["type"] in {"result", "skipped"}]
    assert place.answers() == [("result", 1)]


def test_a_session_that_was_given_up_hears_of_no_picture() -> None:
    place = Place()
    place.show()
    place.send()
    place.runner.fence()
    alerts, records = len(place.world.alerts), len(place.world.records)
    for _ in range(2):
        if place.seat.asked:
            place.seat.look(TWO)
    assert (len(place.world.alerts), len(place.world.records)) == (alerts, records)


def test_a_fault_while_a_picture_is_told_closes_the_socket_as_a_samples_would(monkeypatch: pytest.MonkeyPatch) -> None:
    place = Place()
    place.show()
    place.send()

    def fail(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(place.runner, "take", fail)
    with pytest.raises(ZeroDivisionError):
        place.seat.look()
    assert place.wire.close_code == 1011


def test_a_picture_that_nobody_looks_at_is_given_up_and_the_next_begun() -> None:
    place = Place()
    place.seat.line = True
    sent = place.send()
    place.world.pass_s(4.0)
    place.desk.check(place.world.now)
    assert place.answers() == []
    place.world.pass_s(1.5)
    place.desk.check(place.world.now)
    assert place.answers() == [("overloaded", sent)]
    place.seat.line = False
    place.show()
    assert place.answers()[-1] == ("result", sent + 1)


def test_a_second_in_which_nobody_was_seen_is_recorded_too() -> None:
    place = Place()
    for _ in range(30):
        place.show(NOBODY)
    seconds = [record for record in place.world.records if record.kind is RecordKind.SECOND]
    assert len(seconds) >= 2
    assert seconds[-1].fields["joy"] is None


def test_a_face_that_has_just_come_back_is_skipped_until_it_is_believed() -> None:
    place = Place()
    place.show()
    place.show(NOBODY)
    for _ in range(4):
        place.show()
    assert [kind for kind, _ in place.answers()] == ["result", "no_face", "no_face", "no_face", "no_face", "result"]


def test_the_reason_of_a_picture_long_ago_explains_no_blindness() -> None:
    place = Place()
    place.show()
    place.show(DARK)
    place.world.pass_s(10.0)
    alert = place.world.alerts[0].payload
    assert b"signal_age_ms" in alert and b"too_dark" not in alert


def test_the_first_looks_say_nothing_of_what_a_camera_costs() -> None:
    place = Place()
    before = place.traffic.cost_s
    for _ in range(3):
        place.send()
        _, _, done = place.seat.asked.pop()
        done(FaceReading(FACE, 1.0, 900.0, 0.5))
    assert place.traffic.cost_s == before
    place.send()
    _, _, done = place.seat.asked.pop()
    done(FaceReading(FACE, 1.0, 90.0, 0.5))
    assert place.traffic.cost_s > before


def test_a_picture_that_was_looked_at_too_late_shows_nothing() -> None:
    place = Place()
    place.show()
    place.send()
    place.world.pass_s(2.5)
    place.seat.look()
    assert place.answers()[-1] == ("stale", 2)
    assert [signal["status"] for signal in place.wire.all("signal")] == ["stale"]


def test_a_look_that_takes_long_does_not_turn_time_back() -> None:
    place = Place()
    place.show()
    place.world.pass_s(0.9)
    place.send()
    place.world.pass_s(1.5)
    place.seat.look()
    assert [signal["status"] for signal in place.wire.all("signal")] == ["stale", "ok"]
    assert place.wire.all("signal")[-1]["age_ms"] == 1_500


def test_pictures_that_are_refused_take_no_share() -> None:
    place = Place()
    for _ in range(5):
        place.send(b"bomb")
    assert place.traffic.cameras[0].asked == 0


def test_each_answer_is_counted_as_what_it_was() -> None:
    place = Place()
    place.show()
    place.show(NOBODY)
    place.show(DARK)
    place.send(b"bomb")
    place.desk.offer(Frame(id="old", ts=float(STARTED_TS), image=b"face"), place.world.now)
    place.seat.look()
    text = place.world.metrics.render().decode()
    for outcome in ("read", "no_face", "unusable", "rejected", "stale"):
        assert f'emdr_frames_total{{outcome="{outcome}"}} 1.0' in text, outcome
