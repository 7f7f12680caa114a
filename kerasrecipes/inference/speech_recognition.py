"""What a recogniser of speech does with scores, whatever engine computes them; needs no Keras."""

from typing import Any

from kerasrecipes.layers.time_geometry import TimeGeometry, output_length


class SpeechRecognitionMixin:
    """`transcribe` and `align` on top of `scores(inputs)`.

    Subclasses have `name`, `recipe`, `alphabet`, `criterion`, `sample_rate` (Hz), `geometries` of their layers, the chained
    `geometry`, `scores` of a padded batch and `long_scores` of one long wave.
    """

    geometry: TimeGeometry
    geometries: list[TimeGeometry]

    @property
    def stride(self) -> int:
        """Samples between two frames of scores."""
        return self.geometry.stride

    @property
    def receptive_field(self) -> int | None:
        """Samples that one frame of scores depends on; None where it is the whole utterance."""
        return self.geometry.span

    def output_length(self, samples: Any) -> Any:
        """Frames of scores for so many samples (an int, an array or a tensor)."""
        return output_length(self.geometries, samples)

    def transcribe(self, audio: Any, sample_rate: int | None = None, **options: Any):
        """Audio to text.

        Args:
            audio: a path, bytes, a file object, or an array with `sample_rate`; or a list or folder of them.
            sample_rate: Hz of arrays.
            options: `decoder="greedy"` or `"beam"`, `language_model`, `hotwords` and more: the arguments of
                `kerasrecipes.decoding.DecodingOptions`; `batch_seconds`, `long_seconds`, `progress`: of
                `kerasrecipes.inference.transcribe.transcribe`.

        Returns:
            A `Transcript`; for a list or folder a list in order, where a bad file's place holds its `AudioError`.

        Raises:
            AudioError: a single input cannot be read. TypeError: an array without `sample_rate`.
        """
        from kerasrecipes.inference.transcribe import transcribe

        return transcribe(self, audio, sample_rate, **options)

    def align(self, audio: Any, text: str, sample_rate: int | None = None, **options: Any):
        """Times of a known text's words, as `kerasrecipes.inference.align.align` describes: an `Alignment`."""
        from kerasrecipes.inference.align import align

        return align(self, audio, text, sample_rate, **options)

    def stream(self, sample_rate: int = 16000, **options: Any):
        """Begin a `kerasrecipes.inference.streaming_session.StreamingSession`: text while the audio still comes; for forward-only recipes."""
        from kerasrecipes.inference.streaming_session import StreamingSession

        return StreamingSession(self, sample_rate, **options)
