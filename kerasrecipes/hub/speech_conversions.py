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


def sort_mozilla_letters(arrays: Sequence[np.ndarray], target: Any) -> np.ndarray:
    """Return the kernel (units, symbols) or bias (symbols,) of Mozilla's last layer in this package's order of symbols."""
    return arrays[0].take(find_letters(" abcdefghijklmnopqrstuvwxyz'_"), axis=-1)


def sort_tensorflow_gates(arrays: Sequence[np.ndarray], target: Any) -> np.ndarray:
    """Return gates (..., 4 * units) of TensorFlow's LSTM, input, candidate, forget, output, as input, forget, candidate, output."""
    gates = arrays[0].reshape(*arrays[0].shape[:-1], 4, -1)
    return gates.take([0, 2, 1, 3], axis=-2).reshape(arrays[0].shape)


def take_input_kernel(arrays: Sequence[np.ndarray], target: Any) -> np.ndarray:
    """Return the first rows of the kernel (inputs + units, 4 * units) of TensorFlow's LSTM, which stand for its inputs."""
    return sort_tensorflow_gates(arrays, target)[: len(arrays[0]) - arrays[0].shape[1] // 4]


def take_recurrent_kernel(arrays: Sequence[np.ndarray], target: Any) -> np.ndarray:
    """Return the last rows of the kernel (inputs + units, 4 * units) of TensorFlow's LSTM, which stand for its state."""
    return sort_tensorflow_gates(arrays, target)[len(arrays[0]) - arrays[0].shape[1] // 4 :]


def take_gru_inputs(arrays: Sequence[np.ndarray], target: Any) -> np.ndarray:
    """Return the part for the inputs of cuDNN's GRU in a file of TensorFlow, in the order update, reset, candidate.

    Args:
        arrays: Kernel (inputs + units, 2 * units) or bias (2 * units,) of the gates reset and update, and kernel (inputs, units) or
            bias (units,) of the candidate's input.
        target: Weight (inputs, 3 * units) or (3 * units,).
    """
    import numpy

    gates, candidate = arrays
    gates = gates[: len(candidate)] if gates.ndim > 1 else gates
    return numpy.concatenate([*reversed(numpy.split(gates, 2, axis=-1)), candidate], axis=-1)


def take_gru_state(arrays: Sequence[np.ndarray], target: Any) -> np.ndarray:
    """Return the part for the state of cuDNN's GRU, as `take_gru_inputs` does. The biases of its gates are in the inputs' part.

    Args:
        arrays: Kernel (inputs + units, 2 * units) of the gates and kernel (units, units) of the candidate's state, or the
            candidate's bias (units,) alone.
        target: Weight (units, 3 * units) or (3 * units,).
    """
    import numpy

    if len(arrays) == 1:
        return numpy.concatenate([0 * arrays[0], 0 * arrays[0], arrays[0]])
    gates, candidate = arrays
    return numpy.concatenate([*reversed(numpy.split(gates[-len(candidate) :], 2, axis=-1)), candidate], axis=-1)


def sort_arm_letters(arrays: Sequence[np.ndarray], target: Any) -> np.ndarray:
    """Return the kernel (1, 1, units, symbols) or the bias of the last convolution in this package's order of symbols."""
    values = arrays[0].take(find_letters("abcdefghijklmnopqrstuvwxyz' _"), axis=-1)
    return values.reshape(-1, values.shape[-1]) if values.ndim > 1 else values


def move_tflite_outputs_last(arrays: Sequence[np.ndarray], target: Any) -> np.ndarray:
    """Return a kernel (outputs, 1, time, inputs) of TensorFlow Lite as (time, inputs, outputs)."""
    kernel = arrays[0].transpose(1, 2, 3, 0)
    return kernel[0] if len(kernel) == 1 else kernel


def sort_arm_tflite_letters(arrays: Sequence[np.ndarray], target: Any) -> np.ndarray:
    """Return the kernel (symbols, 1, 1, units) or the bias of TensorFlow Lite's last convolution as `sort_arm_letters` does."""
    return sort_arm_letters([arrays[0].transpose(1, 2, 3, 0) if arrays[0].ndim == 4 else arrays[0]], target)


SPEECH_CONVERSIONS = {
    "added": add_arrays,
    "subtracted": subtract_arrays,
    "all_axes_reversed": reverse_axes,
    "inputs_of_maps": sort_map_inputs,
    "letters_of_deepspeech_pytorch": sort_deepspeech_pytorch_letters,
    "letters_of_arm": sort_arm_letters,
    "letters_of_arm_tflite": sort_arm_tflite_letters,
    "outputs_last_tflite": move_tflite_outputs_last,
    "letters_of_mozilla_deepspeech": sort_mozilla_letters,
    "gates_of_tensorflow": sort_tensorflow_gates,
    "inputs_of_tensorflow_gru": take_gru_inputs,
    "state_of_tensorflow_gru": take_gru_state,
    "inputs_of_tensorflow_lstm": take_input_kernel,
    "state_of_tensorflow_lstm": take_recurrent_kernel,
}
