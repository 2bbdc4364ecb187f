"""What a person's face and body showed, as a REST client gives it, in; messages that a session's core hears out."""

from collections.abc import Sequence
from typing import Annotated, Any, Final

from msgspec import Meta

from emdr_stream.domain import Source
from emdr_stream.rest.analysis import Taken
from emdr_stream.rest.operation import Asked
from emdr_stream.rest.problems import refuse
from emdr_stream.wire.stream import Morphcast, MorphcastEvent, Sample
from emdr_stream.wire.values import BodySignals, Dimensions, Emotions, Id

_MOST: Final = 1_200
_LATEST_MS: Final = 4_102_444_800_000
Moment = Annotated[float, Meta(ge=0, le=_LATEST_MS, description="milliseconds since the Unix epoch")]


class EmotionSample(Asked, frozen=True, kw_only=True):
    """One look at the person, as a `sample` of `/v1/stream`; `context` is not read."""

    ts: Moment
    emotions: Emotions | None = None
    dimensions: Dimensions | None = None
    signals: BodySignals | None = None
    context: dict[str, Any] | None = None


class MorphcastSample(Asked, frozen=True, kw_only=True):
    """Events of the MorphCast SDK as a browser received them, as a `morphcast` message of `/v1/stream`."""

    ts: Moment
    events: Annotated[list[MorphcastEvent], Meta(max_length=64)]
    context: dict[str, Any] | None = None


class AnalyzeRequest(Asked, frozen=True, kw_only=True):
    """Samples of one person in the order of their times: `samples` or `morphcast`, one of the two.

    The models speak once the person's own calm minute has been seen; before that the estimates are `unknown`.
    `id` comes back in the answer.
    """

    id: Id | None = None
    samples: Annotated[list[EmotionSample], Meta(min_length=1, max_length=_MOST)] | None = None
    morphcast: Annotated[list[MorphcastSample], Meta(min_length=1, max_length=_MOST)] | None = None

    def taken(self) -> tuple[Source, Sequence[Taken], str]:
        """Their source, the messages, and the field that they came in. Raises Problem(invalid_field)."""
        if (self.samples is None) is (self.morphcast is None):
            raise refuse("give `samples` or `morphcast`, one of the two", "samples")
        if self.samples is not None:
            heard = [
                Sample(ts=each.ts, emotions=each.emotions, dimensions=each.dimensions, signals=each.signals)
                for each in self.samples
            ]
            return Source.EMOTION, heard, "samples"
        told = self.morphcast or []
        return Source.MORPHCAST, [Morphcast(ts=each.ts, events=each.events) for each in told], "morphcast"
