"""The errors of kerasrecipes. Every message says what to do next."""


class KerasRecipesError(Exception):
    """Base of all errors of this package: `except kerasrecipes.KerasRecipesError` catches them all."""


class RecipeNotFound(KerasRecipesError):
    """There is no recipe of that name. The message names the closest three."""


class WeightsUnavailable(KerasRecipesError):
    """The weights are neither bundled nor cached and cannot be downloaded. The message names the training command."""


class WeightsCorrupted(KerasRecipesError):
    """A weights file does not match its manifest entry, or does not fit the architecture."""


class AudioError(KerasRecipesError):
    """An audio file or array cannot be read, or a recognizer cannot use it."""


class ImageError(KerasRecipesError):
    """An image cannot be read, or has the wrong rank or range."""


class DataError(KerasRecipesError):
    """A dataset does not have the expected layout, or a transcript cannot be trained on."""


class BackendUnavailable(KerasRecipesError):
    """No Keras backend (TensorFlow, JAX or torch) is installed."""


class ExportError(KerasRecipesError):
    """A format cannot hold a recipe, or the written file's outputs differ from Keras's."""
