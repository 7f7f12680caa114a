"""The classic convolutional and recurrent recipes for speech and images, with weights, in Keras 3.

>>> import kerasrecipes as kr
>>> kr.load("wav2letter_small").transcribe("talk.flac").text

    find       list_recipes, get_recipe, register
    open       load, which returns a SpeechRecognizer, ImageClassifier, Segmenter, ...
    use        model.transcribe, .classify, .segment, .generate, or predict(model, input)
    train      model.fit, with data.from_table, data.librispeech, ...
    look into  model.features, visualize

Every name is imported at its first use: `import kerasrecipes` loads neither Keras nor a backend.
"""

from kerasrecipes._lazy import call_after_keras, lazy_exports

__version__ = "0.1.0"

__getattr__, __dir__, __all__ = lazy_exports(
    __name__,
    {
        "loading": "load predict",
        "registry": "get_recipe register Recipe",
        "hub.catalog": "list_recipes",
        "tasks.speech_recognizer": "SpeechRecognizer",
        "tasks.phoneme_recognizer": "PhonemeRecognizer",
        "tasks.wave_generator": "WaveNetGenerator",
        "tasks.language_model": "LanguageModel",
        "tasks.image_classifier": "ImageClassifier",
        "tasks.segmenter": "Segmenter",
        "inference.image_segmentation": "Segmentation",
        "decoding.alphabet": "Alphabet",
        "decoding.phoneme_set": "PhonemeSet",
        "results": "Transcript Word AudioClip Classification",
        "audio": "load_audio",
        "image": "load_image",
        "errors": "KerasRecipesError RecipeNotFound WeightsUnavailable WeightsCorrupted AudioError ImageError DataError "
        "BackendUnavailable ExportError",
        "": "batch data data_prep decoding engines experiments export graph image layers losses metrics recipes visualize",
    },
    needs_keras=(
        "tasks.speech_recognizer", "tasks.phoneme_recognizer", "tasks.wave_generator", "tasks.image_classifier",
        "tasks.segmenter", "tasks.language_model", "losses",
    ),
)  # fmt: skip
call_after_keras("kerasrecipes.tasks.stand_ins:register_stand_ins")  # `keras.saving.load_model` needs no other import
