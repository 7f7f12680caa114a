"""Opening the inspector of a recipe, a .keras file or an ONNX file."""

from pathlib import Path
from typing import Any

from kerasrecipes import loading
from kerasrecipes.errors import KerasRecipesError, WeightsCorrupted, convert_errors
from kerasrecipes.serving.onnx_inspector import OnnxImageInspector, OnnxSpeechInspector

SPEECH_TASKS = ("speech-recognition", "phoneme-recognition")
IMAGE_TASKS = ("image-classification",)


def open_inspector(name: str, value_range: tuple[float, float] = (0.0, 255.0)) -> Any:
    """Return the inspector of a model.

    Args:
        name: Name of a recipe, a training run's folder, a `.keras` file, also of a model that is no recipe, or an ONNX file.
        value_range: Black and white in the input of models that are not recipes.

    Raises:
        KerasRecipesError: There is no such model, or it takes neither an image nor speech.
    """
    if name.endswith(".onnx"):
        return open_onnx_inspector(Path(name), value_range)
    from kerasrecipes.serving.image_inspector import ImageInspector
    from kerasrecipes.serving.speech_inspector import SpeechInspector

    try:
        model = loading.load(name, compile=False)
    except KerasRecipesError:
        if not name.endswith(".keras") or not Path(name).is_file():
            raise
        model = load_plain_model(Path(name))
    return SpeechInspector(model) if hasattr(model, "transcribe") else ImageInspector(model, value_range)


def load_plain_model(path: Path) -> Any:
    """Return the Keras model of a file that holds no recipe. No code of the file is executed.

    Raises:
        WeightsCorrupted: The file is damaged.
        KerasRecipesError: The file holds a recipe, whose error was raised before.
    """
    import keras

    with convert_errors(WeightsCorrupted, path):
        model = keras.saving.load_model(path, compile=False, safe_mode=True)
    if hasattr(model, "recipe"):
        return loading.load(path, compile=False)
    return model


def open_onnx_inspector(path: Path, value_range: tuple[float, float]) -> Any:
    """Return the inspector of an ONNX file, of this package or of another program.

    Raises:
        KerasRecipesError: There is no such file, or it takes neither an image nor speech.
    """
    if not path.is_file():
        raise KerasRecipesError(f"There is no file {path}")
    try:
        model = loading.load(path)
    except WeightsCorrupted as error:
        if "was not written by `kerasrecipes export`" not in str(error):
            raise
        return OnnxImageInspector(path, None, value_range)
    if model.recipe.task in SPEECH_TASKS:
        return OnnxSpeechInspector(path, model)
    if model.recipe.task in IMAGE_TASKS:
        return OnnxImageInspector(path, model, value_range)
    raise KerasRecipesError(f"{path} is a model for {model.recipe.task}: look takes image classifiers and speech recognizers")
