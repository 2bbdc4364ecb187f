"""An insight in, a sentence with its numbers out, in English or Russian. No sentence says why something changed."""

from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Final

from emdr_stream.analytics.estimates import Sure
from emdr_stream.analytics.insights import Insight, InsightKind


class Language(StrEnum):
    EN = "en"
    RU = "ru"


_SUBJECTS: Final[Mapping[str, tuple[str, str]]] = {
    "outside_window": ("Time outside the window of tolerance", "Время вне окна толерантности"),
    "sight": ("Time with a sight of the client", "Время, когда клиента видно"),
    "length": ("Length of a session", "Длительность сессии"),
    "pauses": ("Pauses in a session", "Пауз за сессию"),
    "client_stops": ("Stops by the client in a session", "Остановок клиентом за сессию"),
    "alarmed": ("Time at the levels pause and escalate", "Время на уровнях «пауза» и «эскалация»"),
    "sud_gain": ("Fall of SUD within a session", "Снижение SUD за сессию"),
    "alerts_per_hour": ("Alerts an hour", "Тревог в час"),
    "pauses_per_hour": ("Pauses an hour", "Пауз в час"),
    "client_stops_per_hour": ("Stops by clients an hour", "Остановок клиентами в час"),
    "ack_seconds": ("Time to the acknowledgement of an alert", "Время до подтверждения тревоги"),
    "pcl5": ("PCL-5", "PCL-5"),
    "sud": ("SUD", "SUD"),
    "voc": ("VoC", "VoC"),
}

_SURE: Final[Mapping[Sure, tuple[str, str]]] = {
    Sure.CLEAR: ("clear: zero lies outside the 99 % interval", "отчётливо: ноль вне интервала 99 %"),
    Sure.LIKELY: (
        "likely: zero lies outside the 90 % interval, as by chance one time in ten",
        "вероятно: ноль вне интервала 90 %, что случайно бывает один раз из десяти",
    ),
    Sure.UNCLEAR: ("cannot be told from chance", "неотличимо от случайного"),
    Sure.NOT_ENOUGH: ("not enough data", "недостаточно данных"),
}

_COUNTED: Final[Mapping[str, tuple[str, str]]] = {
    "sessions": ("sessions", "сессий"),
    "clients": ("clients", "клиентов"),
    "ratings": ("ratings", "оценок"),
}

_CHANGE: Final = (
    "{subject}: {before} before, {after} now; change {change} (90 % interval {low} to {high}), {sure}. {counted}: "
    "{n_before} before, {n_after} now.",
    "{subject}: было {before}, стало {after}; изменение {change} (интервал 90 %: от {low} до {high}), {sure}. "
    "{counted}: {n_before} до, {n_after} сейчас.",
)
_TEMPLATES: Final[Mapping[InsightKind, tuple[str, str]]] = {
    InsightKind.CHANGED: _CHANGE,
    InsightKind.LITTLE: (_CHANGE[0] + " The change is small.", _CHANGE[1] + " Изменение невелико."),
    InsightKind.UNCHANGED: (
        _CHANGE[0] + " That is not the same as no change.",
        _CHANGE[1] + " Это не то же, что отсутствие изменения.",
    ),
    InsightKind.DETERIORATION: (
        "{subject}: the last two ratings are worse than the first by {limit} points or more ({first} first, {last} "
        "now; {ratings} ratings).",
        "{subject}: две последние оценки хуже первой на {limit} и более (первая {first}, сейчас {last}; оценок: "
        "{ratings}).",
    ),
    InsightKind.ONE_WORSE: (
        "{subject}: the last rating is worse than the first by {limit} points or more ({first} first, {last} now). One "
        "alone is common and tells nothing of the outcome.",
        "{subject}: последняя оценка хуже первой на {limit} и более (первая {first}, сейчас {last}). Одна такая оценка "
        "обычна и не говорит об исходе.",
    ),
    InsightKind.STALL: (
        "{subject}: no improvement beyond noise over the last three ratings ({last} now; {ratings} ratings), the goal "
        "not met.",
        "{subject}: за три последние оценки нет улучшения больше шума (сейчас {last}; оценок: {ratings}), цель не "
        "достигнута.",
    ),
    InsightKind.RELIABLE_CHANGE: (
        "{subject}: better by {gained} points since the first rating ({first} first, {last} now), a reliable change "
        "({limit} or more; {ratings} ratings).",
        "{subject}: лучше на {gained} с первой оценки (первая {first}, сейчас {last}): надёжное изменение ({limit} и "
        "более; оценок: {ratings}).",
    ),
    InsightKind.NOT_RELIABLE: (
        "{subject}: {gained} points better since the first rating ({first} first, {last} now; {ratings} ratings), less "
        "than a reliable change of {limit}: it may be chance.",
        "{subject}: лучше на {gained} с первой оценки (первая {first}, сейчас {last}; оценок: {ratings}), меньше "
        "надёжного изменения ({limit}): возможно, случайность.",
    ),
    InsightKind.GOALS_MET: (
        "{subject}: the last rating ({last}) meets all {goals} goals of the measure.",
        "{subject}: последняя оценка ({last}) отвечает всем целям шкалы ({goals}).",
    ),
    InsightKind.NOT_ENOUGH: (
        "{subject}: not enough data ({counted}: {have}).",
        "{subject}: недостаточно данных ({counted}: {have}).",
    ),
}


def worded(insight: Insight, language: Language = Language.EN) -> str:
    """The sentence. Every number in it is one of `insight.numbers`."""
    place = 0 if language is Language.EN else 1
    write = _WRITERS[insight.unit]
    told = {name: "?" if value is None else write(value) for name, value in insight.numbers.items()}
    for name in ("n_before", "n_after", "ratings", "goals", "goals_met"):
        if (count := insight.numbers.get(name)) is not None:
            told[name] = f"{count:.0f}"
    change = insight.numbers.get("change")
    if change is not None and change > 0:
        told["change"] = f"+{told['change']}"
    subject = _SUBJECTS[insight.subject][place] + (f" ({insight.target})" if insight.target else "")
    counted = _COUNTED[insight.of][place]
    return _TEMPLATES[insight.kind][place].format(
        **told,
        subject=subject,
        sure=_SURE[insight.sure][place],
        counted=counted[0].upper() + counted[1:] if "n_before" in told and insight.kind in _SENTENCES else counted,
        have=_have(told),
    )


_SENTENCES: Final = frozenset({InsightKind.CHANGED, InsightKind.LITTLE, InsightKind.UNCHANGED})
_WRITERS: Final[Mapping[str, Callable[[float], str]]] = {
    "share": lambda value: f"{100 * value:.0f} %",
    "minutes": lambda value: f"{value:.0f} min",
    "seconds": lambda value: f"{value:.1f} s",
    "count": lambda value: f"{value:.1f}",
    "per_hour": lambda value: f"{value:.1f}",
    "points": lambda value: f"{value:.3g}",
}


def _have(told: Mapping[str, str]) -> str:
    if "n_before" in told:
        return f"{told['n_before']} + {told['n_after']}"
    return told["ratings"]
