"""Synthetic speech in data sets: it is told by the names of its speakers, which begin with the synthesizer's name."""

from collections.abc import Iterable

from kerasrecipes.data.utterances import Utterance

SYNTHESIZERS = ("flite", "hibari", "kokoro")


def synthesizer_name(speaker: str) -> str:
    """Return the synthesizer that a speaker's name begins with, or "" for a person.

    Example:
        >>> synthesizer_name("hibari-000123")
        'hibari'
    """
    name, dash, _ = speaker.partition("-")
    return name if dash and name in SYNTHESIZERS else ""


def synthesizers_by_source(utterances: Iterable[Utterance]) -> dict[str, list[str]]:
    """Return the names of the synthesizers in every data set that has synthetic speech."""
    synthesizers: dict[str, set[str]] = {}
    for utterance in utterances:
        if name := synthesizer_name(utterance.speaker):
            synthesizers.setdefault(utterance.source, set()).add(name)
    return {source: sorted(names) for source, names in synthesizers.items()}
