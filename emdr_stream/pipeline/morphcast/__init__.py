"""MorphCast SDK events of one session in, observations out."""

from emdr_stream.pipeline.morphcast.adapter import MorphcastAdapter
from emdr_stream.pipeline.morphcast.readings import MorphcastCounters

__all__ = ["MorphcastAdapter", "MorphcastCounters"]
