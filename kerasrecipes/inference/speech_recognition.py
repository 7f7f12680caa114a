"""Engine-independent speech recognition: turns logits into transcripts. Does not import Keras."""

from typing import Any

from kerasrecipes.layers.time_geometry import TimeGeometry, output_length


class SpeechRecognitionMixin:
    """Adds `transcribe`, `align` and `stream` to a model.

    Subclasses have `name`, `recipe`, `alphabet`, `criterion`, `sample_rate` (Hz), the `geometries` of their layers and the
    composed `geometry`, `predict_logits` for a padded batch and `predict_logits_chunked` for one long wave.
    """

    geometry: TimeGeometry
    geometries: list[TimeGeometry]

    @property
    def stride(self) -> int:
        """Samples between two frames of logits."""
        return self.geometry.stride

    @property
    def receptive_field(self) -> int | None:
        """Samples that one frame of logits depends on, None for the whole utterance."""
        return self.geometry.receptive_field

    def output_length(self, samples: Any) -> Any:
        """Return the number of frames for a number of samples (an int, an array or a tensor)."""
        return output_length(self.geometries, samples)

    def transcribe(self, audio: Any, sample_rate: int | None = None, **options: Any) -> Any:
        """Transcribe audio.

        Args:
            audio: A path, bytes, a file object, or an array with `sample_rate`. Or a list or folder of them.
            sample_rate: Hz of arrays.
            **options: `batch_seconds`, `chunk_threshold_seconds`, `shift_average_seconds`, `allow_truncated`, `max_seconds`
                and `progress` of `kerasrecipes.inference.transcribe.transcribe`, and the arguments of
                `kerasrecipes.decoding.DecodingOptions`: `decoder`, `language_model`, `hotwords` and others.

        Returns:
            A `Transcript`. For a list or folder, a list in order with an `AudioError` for every
            file that cannot be read or decoded.

        Raises:
            AudioError: A single input cannot be read.
            TypeError: An array has no `sample_rate`.
        """
        from kerasrecipes.inference.transcribe import transcribe

        return transcribe(self, audio, sample_rate, **options)

    def align(self, audio: Any, text: str, sample_rate: int | None = None, **options: Any) -> Any:
        """Return the times of a known text's words as an `Alignment`, see `kerasrecipes.inference.align.align`."""
        from kerasrecipes.inference.align import align

        return align(self, audio, text, sample_rate, **options)

    def stream(self, sample_rate: int = 16000, **options: Any) -> Any:
        """Start a `kerasrecipes.inference.streaming_session.StreamingSession` (recipes that run forward only)."""
        from kerasrecipes.inference.streaming_session import StreamingSession

        return StreamingSession(self, sample_rate, **options)
