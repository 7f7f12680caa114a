"""Conversions of arrays of speech recognizers' checkpoints, which `checkpoint_layouts.CONVERSIONS` holds by name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

OUR_LETTERS = "_ 'abcdefghijklmnopqrstuvwxyz"  # the blank, and the symbols of the default alphabet
MAPS = 32  # maps of a convolution, which torch flattens before the frequencies


def add_arrays(arrays: Sequence[np.ndarray], target: Any) -> np.ndarray:
    """Return the sum of two arrays: the two biases of torch's recurrent layers."""
    return arrays[0] + arrays[1]


def subtract_arrays(arrays: Sequence[np.ndarray], target: Any) -> np.ndarray:
    """Return the first array minus the second: a running mean without the bias of the convolution before it."""
    return arrays[0] - arrays[1]


def reverse_axes(arrays: Sequence[np.ndarray], target: Any) -> np.ndarray:
    """Return a kernel (outputs, inputs, frequency, time) as (time, frequency, inputs, outputs)."""
    return arrays[0].transpose()


def sort_map_inputs(arrays: Sequence[np.ndarray], target: Any) -> np.ndarray:
    """Return a kernel (outputs, maps * frequencies) as (frequencies * maps, outputs)."""
    kernel = arrays[0].reshape(len(arrays[0]), MAPS, -1)
    return kernel.transpose(2, 1, 0).reshape(-1, len(arrays[0]))


def find_letters(letters: str) -> list[int]:
    """Return the positions in `letters`, another program's symbols with `_` for the blank, of `OUR_LETTERS`."""
    return [letters.index(letter) for letter in OUR_LETTERS]


def sort_deepspeech_pytorch_letters(arrays: Sequence[np.ndarray], target: Any) -> np.ndarray:
    """Return the kernel (symbols, units) of the last layer as (units, symbols) in this package's order of symbols."""
    return arrays[0].take(find_letters("_'abcdefghijklmnopqrstuvwxyz "), axis=0).transpose()


def sort_arm_letters(arrays: Sequence[np.ndarray], target: Any) -> np.ndarray:
    """Return the kernel (1, 1, units, symbols) or the bias of the last convolution in this package's order of symbols."""
    values = arrays[0].take(find_letters("abcdefghijklmnopqrstuvwxyz' _"), axis=-1)
    return values.reshape(-1, values.shape[-1]) if values.ndim > 1 else values


SPEECH_CONVERSIONS = {
    "added": add_arrays,
    "subtracted": subtract_arrays,
    "all_axes_reversed": reverse_axes,
    "inputs_of_maps": sort_map_inputs,
    "letters_of_deepspeech_pytorch": sort_deepspeech_pytorch_letters,
    "letters_of_arm": sort_arm_letters,
}
