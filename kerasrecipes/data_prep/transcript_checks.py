"""Checks of transcripts that a teacher wrote: which of them a recognizer of letters should learn from."""

import re
import zlib

from kerasrecipes.decoding.alphabet import Alphabet

MAX_COMPRESSION_RATIO = 2.4  # Whisper's own limit: a text that zlib shrinks further repeats itself
MAX_CHARS_PER_SECOND = 25.0  # nobody reads faster, so the teacher wrote more than was said
ABBREVIATIONS = {"mr": "mister", "mrs": "missus", "dr": "doctor"}  # as they are spoken
SPOKEN_SYMBOLS = "&%$€£¥@#+=°§"
SOUND_MARKS = "[](){}<>*♪"  # around sounds that are not speech: [music], (laughs)


def normalize_transcript(text: str) -> str:
    """Return the text in lower-case letters, apostrophes and spaces, with "mr", "mrs" and "dr" as they are spoken.

    Digits and letters of other alphabets stay, so that `rejection_reason` sees them.

    Example:
        >>> normalize_transcript("Mr. O'Brien's well-kept café, 'right'?")
        "mister o'brien's well kept cafe right"
    """
    words = Alphabet().normalize(text).split()
    words = [word[1:-1] if word[0] == word[-1] == "'" else word for word in words]
    return " ".join(ABBREVIATIONS.get(word, word) for word in words if word.strip("'"))


def rejection_reason(text: str, seconds: float, confidence: float, min_confidence: float) -> str:
    """Return why a transcript should not be learned from, or "" if nothing speaks against it.

    Args:
        text: As the teacher wrote it.
        seconds: Length of the clip.
        confidence: The teacher's mean log probability.
        min_confidence: Smallest mean log probability that is accepted.

    Returns:
        One of a few reasons, with details after a colon.
    """
    normalized = normalize_transcript(text)
    if not normalized:
        return "no words"
    if marks := sorted(set(text) & set(SOUND_MARKS)):
        return f"sounds that are not speech: {' '.join(marks)}"
    if any(c.isnumeric() for c in text):
        return "digits"
    if symbols := sorted(set(text) & set(SPOKEN_SYMBOLS)):
        return f"symbols: {' '.join(symbols)}"
    if foreign := sorted(set(normalized) - set(Alphabet().symbols)):
        return f"letters of another alphabet: {' '.join(foreign)}"
    if phrase := repeated_phrase(normalized):
        return f"repetition: {phrase}"
    if compression_ratio(normalized) > MAX_COMPRESSION_RATIO:
        return f"repetition: compression ratio {compression_ratio(normalized):.1f}"
    if len(normalized) > MAX_CHARS_PER_SECOND * max(seconds, 1e-3):
        return f"too fast: {len(normalized) / max(seconds, 1e-3):.0f} characters a second"
    if not confidence >= min_confidence:
        return "low confidence"
    return ""


def compression_ratio(text: str) -> float:
    """Return the bytes of a text divided by the bytes that zlib compresses it to."""
    content = text.encode()
    return len(content) / len(zlib.compress(content))


def repeated_phrase(text: str) -> str:
    """Return a phrase that stands several times in a row, or "".

    A word counts from four times in a row, two words from three times, and three or more words from twice. At the end of
    the text the last repetition may be cut off after its third word.

    Example:
        >>> repeated_phrase("thank you so much thank you so")
        'thank you so much'
    """
    words = re.findall(r"\S+", text)
    for period in range(1, len(words)):
        enough = {1: 3, 2: 4}.get(period, period)
        run = 0  # words that equal the word one period earlier
        for i in range(period, len(words)):
            run = run + 1 if words[i] == words[i - period] else 0
            if run >= enough or (run >= 3 <= period and i == len(words) - 1):
                start = i - run + 1 - period
                return " ".join(words[start : start + period])
    return ""
