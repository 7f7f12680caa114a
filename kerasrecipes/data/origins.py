"""Origins of data sets: synthetic speech, whose speakers' names begin with the synthesizer's, and transcripts of teachers."""

from collections.abc import Callable, Iterable

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
    return names_by_source(utterances, lambda utterance: synthesizer_name(utterance.speaker))


def labelers_by_source(utterances: Iterable[Utterance]) -> dict[str, list[str]]:
    """Return the names of the teachers in every data set that has transcripts of teachers."""
    return names_by_source(utterances, lambda utterance: utterance.labeler)


def names_by_source(utterances: Iterable[Utterance], get_name: Callable[[Utterance], str]) -> dict[str, list[str]]:
    """Return the sorted names that `get_name` returns for the clips of every data set, without "" and sets that have none."""
    names: dict[str, set[str]] = {}
    for utterance in utterances:
        if name := get_name(utterance):
            names.setdefault(utterance.source, set()).add(name)
    return {source: sorted(values) for source, values in names.items()}
