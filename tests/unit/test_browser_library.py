"""The browser library: its own tests by Node, its declarations, and what holds of each of its files."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

import emdr_stream
from emdr_stream.pipeline.morphcast import MorphcastAdapter
from emdr_stream.wire.contract import sockets
from emdr_stream.wire.stream import Morphcast, MorphcastEvent
from emdr_stream.wire.typescript import declarations, main
from tests.browser.vectors import rendered
from tests.node import node

_EXPORT = re.compile(r"^export \{ ([^}]+) \}", re.MULTILINE)
_DECLARED = re.compile(r"^export (?:class|function) (\w+)", re.MULTILINE)
_IMPORT = re.compile(r"""(?:from|import\() ?["'](\.[^"']+)["']|startWorker\(["'](\.[^"']+)["']""")
_MOST_LINES = 400


@pytest.fixture(scope="module")
def client(repository: Path) -> Path:
    return repository / "emdr_stream" / "browser" / "client"


def scripts(repository: Path) -> list[Path]:
    """Every module that a browser may be given."""
    return sorted((repository / "emdr_stream" / "browser").rglob("*.js"))


@pytest.mark.timeout(180)  # ten processes of Node; two seconds when the machine has nothing else to do
def test_the_librarys_own_tests_pass(repository: Path) -> None:
    files = sorted((repository / "tests" / "browser").glob("*.test.mjs"))
    assert len(files) >= 6
    done = subprocess.run(
        [node(), "--test", *map(str, files)], capture_output=True, text=True, check=False, timeout=170, cwd=repository
    )
    assert done.returncode == 0, done.stdout[-6_000:] + done.stderr


def test_the_vectors_are_those_of_the_service(repository: Path) -> None:
    kept = (repository / "tests" / "browser" / "vectors.json").read_text(encoding="utf-8")
    assert kept == rendered(), "renew it: python -m tests.browser.vectors tests/browser/vectors.json"


_EMOTIONS = {
    "Angry": 0.03,
    "Disgust": 0.01,
    "Fear": 0.12,
    "Happy": 0.02,
    "Sad": 0.51,
    "Surprise": 0.04,
    "Neutral": 0.27,
}
_SDK_EVENTS: tuple[tuple[str, Any], ...] = (
    ("CY_FACE_DETECTOR_RESULT", {"rects": [{"x": 1, "y": 2}], "status": "TRACK_OK", "totalFaces": 1}),
    ("CY_FACE_DETECTOR_RESULT", {"rects": [], "status": "RECOVERING", "totalFaces": 1}),
    ("CY_FACE_DETECTOR_RESULT", {"rects": [{}, {}], "totalFaces": 2, "faces": [{"data": [0]}]}),
    ("CY_FACE_EMOTION_RESULT", {"output": {"dominantEmotion": "Sad", "emotion": _EMOTIONS}}),
    ("CY_FACE_EMOTION_RESULT", {"output": {"emotion": {"Angry": None, "Sad": 0.5}}}),
    ("CY_FACE_AROUSAL_VALENCE_RESULT", {"output": {"arousal": 0.11, "valence": -0.14, "quadrant": "x"}}),
    ("CY_FACE_AROUSAL_VALENCE_RESULT", {"output": {"arousalvalence": {"arousal": 0.2, "valence": 0.1}}}),
    ("CY_FACE_AROUSAL_VALENCE_RESULT", {"arousal": 0.3, "valence": None}),
    ("CY_FACE_ATTENTION_RESULT", {"output": {"attention": 0.7}}),
    ("CY_FACE_POSE_RESULT", {"output": {"pose": {"pitch": 0.1, "roll": -0.1, "yaw": 1.2}}}),
    ("CY_FACE_WISH_RESULT", {"output": {"wish": 0.4}}),
    ("CY_FACE_POSITIVITY_RESULT", {"output": {"positivity": 0.4}}),
    ("CY_DATA_AGGREGATOR", {f"emotion_{name}.avg": {"avg": value, "min": 0} for name, value in _EMOTIONS.items()}),
    ("CY_DATA_AGGREGATOR", {"valence": {"avg": 0.3, "samples": 0}, "arousal.avg": 0.2, "age.avg": {"avg": 40}}),
    (
        "CY_DATA_AGGREGATOR",
        {"attention": {"avg": 0.6, "max": 1}, "totalFaces": {"avg": 1}, "affects38_Sad": {"avg": 1}},
    ),
    ("CY_ALARM_NO_FACE_RESULT", {"output": {"noFace": True}}),
    ("CY_ALARM_MORE_FACES_RESULT", {"output": True}),
    ("CY_ALARM_LOW_ATTENTION_RESULT", {"output": {"isLowAttention": False}}),
)
_PICK = """
import { pick } from "./emdr_stream/browser/client/sources/morphcast_events.js";
const events = JSON.parse(process.argv[1]);
console.log(JSON.stringify(events.map(([type, detail]) => pick(type, detail))));
"""


def test_what_is_left_of_an_sdk_event_tells_the_service_the_same(repository: Path) -> None:
    command = [node(), "--input-type=module", "-e", _PICK, json.dumps(_SDK_EVENTS)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=30, cwd=repository)
    for (kind, detail), left in zip(_SDK_EVENTS, json.loads(done.stdout), strict=True):
        assert repr(_observed(kind, detail)) == repr(_observed(kind, left)), kind


def _observed(kind: str, detail: Any) -> Any:
    message = Morphcast(ts=1_000.0, events=[MorphcastEvent(type=kind, detail=detail)])
    return MorphcastAdapter().feed(message)


def test_the_declarations_are_those_of_the_message_types(client: Path) -> None:
    path = "emdr_stream/browser/client/messages.d.ts"
    kept = (client / "messages.d.ts").read_text(encoding="utf-8")
    assert kept == declarations(), f"renew it: python -m emdr_stream.wire.typescript {path}"


def test_every_message_is_declared_with_its_type() -> None:
    text = declarations()
    for socket in sockets():
        for message in (*socket.received, *socket.sent):
            assert f'export interface {message.cls.__name__} {{\n  type: "{message.tag}";\n' in text
    assert "unknown;" in text and "Uint8Array;" in text
    assert "  pixels?: [number, number];" in text
    assert "  session_id?: string | null;" in text


def test_the_command_prints_the_declarations_or_renews_a_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main([])
    assert capsys.readouterr().out == declarations()
    main([str(tmp_path / "messages.d.ts")])
    assert (tmp_path / "messages.d.ts").read_text() == declarations()


def test_what_is_exported_is_declared(client: Path) -> None:
    exported = {
        name
        for names in _EXPORT.findall((client / "index.js").read_text())
        for name in (part.strip() for part in names.split(","))
    }
    declared = set(_DECLARED.findall((client / "index.d.ts").read_text()))
    assert exported - declared == set() and "connect" in exported


def test_the_library_has_the_packages_version(client: Path) -> None:
    assert json.loads((client / "package.json").read_text())["version"] == emdr_stream.__version__


def test_every_module_opens_with_what_comes_in_and_goes_out(repository: Path) -> None:
    for path in scripts(repository):
        text = path.read_text(encoding="utf-8")
        opening = re.match(r"/\*\*(.*?)\*/", text, re.DOTALL)
        assert opening and " In: " in f" {opening[1]}" and "Out: " in opening[1], path.name
        assert len(text.splitlines()) <= _MOST_LINES, path.name


def test_every_import_is_relative_and_leads_to_a_file(repository: Path) -> None:
    for path in scripts(repository):
        text = path.read_text(encoding="utf-8")
        for statement in re.findall(r"^(?:import|export) [^;]*? from [\"']([^\"']+)[\"']", text, re.MULTILINE):
            assert statement.startswith("."), f"{path.name}: {statement}"
        for plain, worker in _IMPORT.findall(text):
            base = path.parent if plain else repository / "emdr_stream" / "browser" / "client"
            if not (plain or worker).endswith((".d.ts", "index.d.ts")):
                assert (base / (plain or worker)).is_file(), f"{path.name}: {plain or worker}"


def test_no_module_builds_code_or_markup_from_text(repository: Path) -> None:
    for path in scripts(repository):
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"\beval\(|new Function|innerHTML|outerHTML|insertAdjacentHTML|document\.write", text), (
            path
        )


@pytest.mark.skipif(shutil.which("tsc") is None, reason="tsc is not installed (npm package typescript)")
@pytest.mark.parametrize("part", ["library", "stimulation"])
def test_the_modules_and_declarations_hold_together_for_typescript(client: Path, tmp_path: Path, part: str) -> None:
    options = {"target": "es2022", "module": "esnext", "moduleResolution": "bundler", "lib": ["es2022", "dom"]}
    checks = {"checkJs": True, "allowJs": True, "noEmit": True, "strict": True, "types": []}
    stimulation = client / "stimulation"
    modules = [path for path in client.rglob("*.js") if stimulation not in path.parents]
    files = [*modules, *client.glob("*.d.ts")]
    if part == "stimulation":  # private functions of numbers say nothing of their parameters
        checks["noImplicitAny"] = False
        files = [*stimulation.glob("*.js"), *stimulation.glob("*.d.ts")]
    config = tmp_path / "tsconfig.json"
    config.write_text(json.dumps({"compilerOptions": options | checks, "files": sorted(map(str, files))}))
    done = subprocess.run(["tsc", "-p", str(config)], capture_output=True, text=True, check=False, timeout=55)
    assert done.returncode == 0, done.stdout
