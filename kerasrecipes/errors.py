"""Every error that kerasrecipes raises on purpose; each message says what to do next."""


class KerasRecipesError(Exception):
    """Base of all errors of this package: `except kerasrecipes.KerasRecipesError` catches them all."""


class RecipeNotFound(KerasRecipesError):
    """No recipe of that name; the message names the closest three."""


class WeightsUnavailable(KerasRecipesError):
    """The weights are neither bundled, cached nor to be fetched; the message names the training command."""


class WeightsCorrupted(KerasRecipesError):
    """A weight file does not match its manifest row, or does not fit the architecture it is loaded into."""


class AudioError(KerasRecipesError):
    """A sound cannot be read, or is no sound a recogniser could take."""


class ImageError(KerasRecipesError):
    """A picture cannot be read, or has the wrong rank or range."""


class DataError(KerasRecipesError):
    """A data set does not have the layout it should have, or a transcript cannot be trained on."""


class BackendUnavailable(KerasRecipesError):
    """No Keras backend (TensorFlow, JAX or torch) is installed."""


class ExportError(KerasRecipesError):
    """A recipe cannot be written in a format, or what was written does not give the same scores."""
