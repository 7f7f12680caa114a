"""Writing audio files in blocks."""

import io
from typing import Any

BLOCK_SAMPLES = 65536  # the Vorbis encoder puts all samples of a call on the stack, and two million are too many


def write_audio(file: Any, samples: Any, sample_rate: int, format: str, **options: Any) -> None:
    """Write audio to an open binary file.

    Args:
        file: Open binary file.
        samples: Array (samples,) or (samples, channels), float between -1 and 1 or int16.
        sample_rate: Samples per second, in Hz.
        format: Format of libsndfile, for instance "WAV".
        **options: Options of `soundfile.SoundFile`, for instance `subtype`.
    """
    import soundfile

    channels = samples.shape[1] if getattr(samples, "ndim", 1) > 1 else 1
    with soundfile.SoundFile(file, "w", sample_rate, channels, format=format, **options) as sound:
        for begin in range(0, len(samples), BLOCK_SAMPLES):
            sound.write(samples[begin : begin + BLOCK_SAMPLES])


def encode_audio(samples: Any, sample_rate: int, format: str, **options: Any) -> bytes:
    """Return audio as the bytes of a file. The arguments are those of `write_audio`.

    libsndfile prints errors of a full disk where nobody can catch them, so files are encoded before they are written.
    """
    buffer = io.BytesIO()
    write_audio(buffer, samples, sample_rate, format, **options)
    return buffer.getvalue()
