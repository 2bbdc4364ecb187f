"""Webcam frames through the socket: real videos of real faces, real workers, each frame answered once."""

import asyncio
import base64
import json
import os
import signal
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from emdr_stream.embedded.folder import running_stores
from tests.system.cameras import Webcam, camera_service, faces_part, webcam
from tests.system.service import Service, eventually, run_command, service
from tests.system.sockets import JSON, Message, of_type, resume_of, stream, wall_ms, watch
from tests.webcam import jpeg, jpegs, round_and_round, still, video

pytestmark = [pytest.mark.system, pytest.mark.anyio]

CANARY = b"canary-in-the-comment-of-a-picture"


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("recordings")


@pytest.fixture(scope="module")
def cameras(recordings: Path) -> Iterator[Service]:
    with camera_service(recordings, lost_after_ms="3000") as running:
        yield running


@pytest.fixture(scope="module")
def smile(test_data: Path) -> list[bytes]:
    """Neutral at first, then a smile: 72 frames of 30 a second."""
    return jpegs(video(test_data / "video" / "single_face.mp4"))


def joy_of(result: Message) -> float:
    joy = result["emotions"]["joy"]
    return -1.0 if joy is None else float(joy)


@pytest.mark.alone  # thirty frames a second take a core
@pytest.mark.parametrize(("fps", "every", "count"), [(10.0, 3, 150), (30.0, 1, 300)])
async def test_a_real_face_is_read_frame_by_frame_and_its_smile_is_seen(
    cameras: Service, smile: list[bytes], fps: float, every: int, count: int
) -> None:
    user = f"smile-{fps:.0f}"
    async with watch(cameras, user) as console, webcam(cameras, user, fps) as camera:
        await camera.show(round_and_round(smile[::every], count))
        await camera.all_answered()
        state = await console.wait_for(lambda m: m["type"] == "state" and m["emotions"]["joy"] is not None)
        await camera.leave()
    assert set(camera.outcomes()) <= {"result", "superseded", "rate"}
    results = camera.results()
    assert len(results) >= count * 0.6
    first_round = [joy_of(result) for result in results if result["re"] < len(smile[::every])]
    assert first_round[0] < 0.2, "the face is neutral at first"
    assert max(first_round) > 0.6, "and smiles in the middle"
    assert not camera.client.of("control.pause")
    assert not console.of("alert")
    assert abs(sum(state["emotions"].values()) - 1.0) < 0.01
    timing = results[-1]["timing"]
    assert 0 < timing["decode_ms"] < timing["total_ms"]
    assert timing["face_ms"] > 0 and timing["infer_ms"] > 0


async def test_a_face_that_leaves_is_missed_and_then_alarms(cameras: Service, test_data: Path) -> None:
    frames = jpegs(video(test_data / "video" / "face_noface.mov", every=3))
    user = "leaves"
    async with watch(cameras, user) as console, webcam(cameras, user) as camera:
        await camera.show(frames)
        await camera.show(round_and_round(frames[-5:], 40))
        await camera.all_answered()
        pause = await camera.client.wait_for("control.pause")
        alert = await console.wait_for(of_type("alert", kind="signal_lost"))
        await camera.leave()
    assert camera.outcomes()["no_face"] >= 60
    first_missed = min(m["re"] for m in camera.client.of("skipped") if m["reason"] == "no_face")
    assert 20 <= first_missed <= 28, "the face is there until about frame 73 of every third"
    assert [m["status"] for m in camera.client.of("signal")][-2:] == ["stale", "lost"]
    assert pause["reason"] == "signal_lost"
    assert "no_face" in {evidence["signal"] for evidence in alert["evidence"]}


async def test_where_nobody_is_every_frame_says_so(cameras: Service, test_data: Path) -> None:
    async with webcam(cameras, "nobody") as camera:
        await camera.show(jpegs(video(test_data / "video" / "no_face.mp4", every=4)))
        await camera.all_answered()
    assert set(camera.outcomes()) == {"no_face"}


async def test_two_people_pause_the_session(cameras: Service, test_data: Path) -> None:
    two = jpeg(still(test_data / "stills" / "two_people.jpg"))
    async with webcam(cameras, "two-people", subprotocol=JSON) as camera:
        camera_json = JsonFrames(camera)
        for _ in range(15):
            await camera_json.show(two)
        pause = await camera.client.wait_for("control.pause")
    assert pause["reason"] == "many_faces"
    assert "many_faces" in camera.outcomes()


class JsonFrames:
    """The same frames in JSON: bytes are base64 there."""

    def __init__(self, camera: Webcam) -> None:
        self._camera = camera

    async def show(self, picture: bytes) -> None:
        camera = self._camera
        text = base64.b64encode(picture).decode()
        await camera.client.send("frame", id=camera.sent, ts=wall_ms(), image=text)
        camera.sent += 1
        await asyncio.sleep(0.1)


def bombs(face: bytes) -> dict[str, bytes]:
    """Pictures that no decoder may see."""
    png = b"\x89PNG\r\n\x1a\n"
    head = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    giant = png + struct.pack(">I", 13) + b"IHDR" + head + struct.pack(">I", zlib.crc32(b"IHDR" + head))
    progressive = face.replace(b"\xff\xc0", b"\xff\xc2", 1)
    return {
        "empty": b"",
        "no picture": b"GIF89a" + bytes(100),
        "giant": giant + bytes(1_000),
        "progressive": progressive,
        "cut off": face[: len(face) // 2],
        "cut off in its head": face[:100],
        "two in one": face + face,
    }


async def test_hostile_pictures_are_refused_by_name_and_the_session_goes_on(
    cameras: Service, smile: list[bytes]
) -> None:
    async with webcam(cameras, "hostile") as camera:
        for name, bomb in bombs(smile[0]).items():
            after = len(camera.client.messages)
            await camera.client.send("frame", id=name, ts=wall_ms(), image=bomb)
            error = await camera.client.wait_for(of_type("error", re=name), after=after)
            assert (error["code"], error["param"], error["fatal"]) == ("image_rejected", "image", False)
            await asyncio.sleep(0.04)  # a camera's rate
        await camera.show(smile[:3])
        await camera.client.wait_for(lambda m: m["type"] in {"result", "skipped"} and m["re"] == 2)
    assert camera.outcomes()["result"] >= 1


async def test_no_byte_of_a_picture_is_left_anywhere(cameras: Service, recordings: Path, smile: list[bytes]) -> None:
    # A comment that decoders skip: it travels with every picture.
    marked = [face[:2] + b"\xff\xfe" + struct.pack(">H", len(CANARY) + 2) + CANARY + face[2:] for face in smile[::3]]
    pixels = {face[len(face) // 2 :][:48] for face in marked}
    async with webcam(cameras, "canary") as camera:
        await camera.show(round_and_round(marked, 60))
        await camera.all_answered()
        session_id = camera.client.of("welcome")[0]["session_id"]
        await camera.leave()
    assert camera.outcomes()["result"] > 30
    assert eventually((recordings / f"{session_id}.jsonl").is_file, 5.0)
    assert session_id in everything_kept(cameras, recordings), "the search finds what is there"
    kept = everything_kept(cameras, recordings)
    assert CANARY.decode() not in kept
    assert not [picture for picture in pixels if picture.decode("latin-1") in kept]


def everything_kept(running: Service, recordings: Path) -> str:
    """All bytes of the data folder (both stores and the journal), the recordings, the log, and what Redis holds."""
    files = [path for folder in (running.folder, recordings) for path in folder.rglob("*") if path.is_file()]
    kept = [path.read_bytes() for path in files]
    stores = running_stores(running.data_dir)
    assert stores is not None
    with redis.Redis.from_url(stores.redis_url) as server:
        kept += [server.dump(key) or b"" for key in server.scan_iter()]
    return b"\0".join(kept).decode("latin-1")


async def test_a_killed_face_worker_costs_one_answer_at_most_and_no_session(
    cameras: Service, smile: list[bytes]
) -> None:
    async with webcam(cameras, "first", 15.0) as one, webcam(cameras, "second", 15.0) as other:
        async with asyncio.TaskGroup() as group:
            for camera in (one, other):
                group.create_task(camera.show(round_and_round(smile, 90)))
            await one.client.wait_for("result")
            for pid in face_workers(cameras):
                os.kill(pid, signal.SIGKILL)
        for camera in (one, other):
            await camera.all_answered()
            assert camera.outcomes()["internal"] <= 1
            assert camera.outcomes()["result"] >= 10
            assert not camera.client.of("control.pause")


async def test_a_camera_that_comes_while_the_only_worker_restarts_is_let_in_and_waits(
    cameras: Service, smile: list[bytes]
) -> None:
    for pid in face_workers(cameras):
        os.kill(pid, signal.SIGKILL)
    async with webcam(cameras, "comes-early") as camera:
        await camera.show(round_and_round(smile, 60))
        await camera.all_answered()
    assert camera.outcomes()["result"] >= 10
    assert not camera.client.of("control.pause")


def face_workers(running: Service) -> list[int]:
    """The processes that look at pictures."""
    assert running.process is not None
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            command = (entry / "cmdline").read_bytes()
            parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
        if b"emdr_stream.vision.worker" in command and parent == running.process.pid:
            found.append(int(entry.name))
    assert found, "no face worker is there"
    return found


async def test_a_session_goes_on_with_its_camera_on_another_socket(cameras: Service, smile: list[bytes]) -> None:
    async with webcam(cameras, "comes-back") as camera:
        await camera.show(smile[:20:3])
        await camera.all_answered()
    async with webcam(cameras, "comes-back", **resume_of(camera.client)) as back:
        assert back.client.of("welcome")[0]["resumed"]
        await back.show(smile[:20:3])
        await back.all_answered()
    assert back.outcomes()["result"] >= 5


async def test_a_service_without_the_face_model_serves_the_rest_and_says_what_is_missing(tmp_path: Path) -> None:
    with service(landmarker_file=str(tmp_path / "absent.task")) as running:
        assert eventually(lambda: "models fetch" in faces_part(running)["why"], 30.0), faces_part(running)
        part = faces_part(running)
        assert (part["ok"], part["required"]) == (False, False)
        assert running.get("/readyz")[0] == 200
        async with stream(running, "other", source="morphcast") as client:
            await client.send("ping", id=1, t0=1.0)
            await client.wait_for("pong")
        with pytest.raises(AssertionError, match="4503"):
            async with webcam(running, "camera"):
                pass
        told = run_command("doctor", folder=tmp_path, landmarker_file=str(tmp_path / "absent.task"))
        assert "models fetch" in told.stdout


def test_the_metrics_tell_of_frames_and_workers(cameras: Service) -> None:
    text = cameras.get("/metrics")[2].decode()
    assert 'emdr_frames_total{outcome="read"}' in text
    assert "emdr_face_workers 1.0" in text
    assert 'emdr_frame_latency_seconds_bucket{le="0.01",stage="face"}' in text


def test_recordings_hold_observations_and_replay_to_the_byte(cameras: Service, recordings: Path) -> None:
    files = [file for file in recordings.glob("*.jsonl") if b'"type":"ended"' in file.read_bytes()]
    assert len(files) >= 2
    lines = [json.loads(line) for file in files for line in file.read_text().splitlines()]
    kinds = {line["msg"]["type"] for line in lines if line.get("dir") == "in" and "msg" in line}
    assert "observation" in kinds and "frame" not in kinds
    verified = run_command("replay", "--verify", *map(str, files), folder=recordings, timeout_s=120)
    assert verified.returncode == 0, verified.stdout + verified.stderr
