"""A name of ours in, FHIR's codings of it out, and the code system that defines our own."""

from collections.abc import Mapping
from typing import Any, Final

from emdr_stream.domain import AlertKind

SYSTEM: Final = "urn:uuid:8d0e8d3b-6a83-5a5e-8a0e-7f6f0c1f0e7d"
"""A fixed name that nobody has to register; the CodeSystem that it names lies in each bundle."""
VERSION: Final = "1"
_LOINC: Final = "http://loinc.org"

CODES: Final[Mapping[str, str]] = {
    "sud": "Subjective Units of Disturbance, 0 to 10, as the client rates it",
    "voc": "Validity of Cognition, 1 to 7, as the client rates it",
    "pcl5": "PCL-5 total score, 0 to 80",
    "valence": "Estimated valence, -1 to 1",
    "arousal": "Estimated arousal, -1 to 1",
    "attention": "Estimated attention, 0 to 1",
    "risk": "Estimated probability that the client leaves the window of tolerance, 0 to 1",
    "crisis": "Estimated probability of a crisis, 0 to 1",
    "heart-rate": "Heart rate as a device of the client told it",
    "outside-window": "Share of the estimated seconds outside the window of tolerance",
    "sight": "Share of the session's seconds with a sight of the client",
    "audit": "Entry of the audit log",
    "audit-action": "Action of an entry of the audit log; the display names it",
    **{f"alert-{kind.value}": f"Alert: {kind.value.replace('_', ' ')}" for kind in AlertKind},
}
"""Code and meaning."""

_OTHERS: Final[Mapping[str, tuple[str, str, str]]] = {
    # The score over the past month, which is PCL-5's usual form; a weekly form has no code of its own.
    "pcl5": (_LOINC, "101698-9", "PTSD PCL-5 score [PCL-5]"),
    "heart-rate": (_LOINC, "8867-4", "Heart rate"),
}


def coded(name: str, text: str | None = None) -> dict[str, Any]:
    """A CodeableConcept: our code, and another system's where it has the very thing. Raises KeyError."""
    coding = [{"system": SYSTEM, "version": VERSION, "code": name, "display": CODES[name]}]
    if name in _OTHERS:
        system, code, display = _OTHERS[name]
        coding.append({"system": system, "code": code, "display": display})
    return {"coding": coding, "text": text or CODES[name]}


def code_system() -> dict[str, Any]:
    """The definition of our codes as a resource."""
    return {
        "resourceType": "CodeSystem",
        "id": SYSTEM.removeprefix("urn:uuid:"),
        "url": SYSTEM,
        "version": VERSION,
        "name": "EmdrStreamCodes",
        "title": "Codes of emdr_stream",
        "status": "active",
        "experimental": True,
        "content": "complete",
        "caseSensitive": True,
        "count": len(CODES),
        "concept": [{"code": code, "display": meaning} for code, meaning in CODES.items()],
    }
