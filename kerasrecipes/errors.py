"""The errors of kerasrecipes. Every message says what to do next."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from inspect import signature
from typing import Any, TypeVar

Function = TypeVar("Function", bound=Callable[..., Any])
Error = TypeVar("Error", bound=Exception)


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


@contextmanager
def convert_errors(
    family: type[KerasRecipesError], name: object, unchanged: tuple[type[Exception], ...] = ()
) -> Iterator[None]:
    """Raise any exception of the block that is none of this package as an error of this package.

    Args:
        family: Class of that error.
        name: File or folder that is read, which the message names beside the cause.
        unchanged: Classes of further exceptions that are raised as they are. Default: none.
    """
    try:
        yield
    except Exception as error:
        if isinstance(error, (KerasRecipesError, *unchanged)):
            raise
        cause = (str(error).splitlines() or [""])[0][:300]
        text = f"{type(error).__name__}: {cause}" if cause else type(error).__name__
        raise family(
            f"{name} cannot be read ({text}): check that it is complete and has the expected format"
        ) from error


def reader(family: type[KerasRecipesError]) -> Callable[[Function], Function]:
    """Return a decorator for a function that reads the file or folder of its first argument, with `convert_errors` around it.

    Args:
        family: Class of the error of whatever fails while reading.
    """

    def decorate(function: Function) -> Function:
        parameters = signature(function)

        @wraps(function)
        def read(*arguments: Any, **options: Any) -> Any:
            source = next(
                iter(parameters.bind(*arguments, **options).arguments.values())
            )  # TypeError for wrong arguments
            with convert_errors(family, source):
                return function(*arguments, **options)

        return read  # type: ignore[return-value]

    return decorate


def strip_traceback(error: Error) -> Error:
    """Drop the traceback, whose frames would keep whole inputs in memory while the error is in a result list."""
    current: BaseException | None = error
    while current is not None:
        current.__traceback__, current = None, current.__cause__ or current.__context__
    return error
