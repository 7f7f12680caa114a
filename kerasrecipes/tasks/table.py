"""The table of tasks: the class of each task's models and their verb."""

from typing import NamedTuple


class TaskEntry(NamedTuple):
    """The class of a task's models, their verb for raw input, and the keyword of `load` that names the outputs, if any."""

    model: str
    verb: str
    label_argument: str | None = None


TASK_MODELS = {
    "speech-recognition": TaskEntry("kerasrecipes.tasks.speech_recognizer:SpeechRecognizer", "transcribe", "alphabet"),
    "phoneme-recognition": TaskEntry("kerasrecipes.tasks.phoneme_recognizer:PhonemeRecognizer", "transcribe", "alphabet"),
    "language-model": TaskEntry("kerasrecipes.tasks.language_model:LanguageModel", "generate", "alphabet"),
    "image-classification": TaskEntry("kerasrecipes.tasks.image_classifier:ImageClassifier", "classify", "classes"),
    "segmentation": TaskEntry("kerasrecipes.tasks.segmenter:Segmenter", "segment", "classes"),
    "waveform-generation": TaskEntry("kerasrecipes.tasks.wave_generator:WaveNetGenerator", "generate"),
}  # fmt: skip
