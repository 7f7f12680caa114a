"""Class labels and weights of classes by number: whole numbers, names and one-hot rows become indices."""

import math
import numbers
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from kerasrecipes.errors import DataError


def encode_labels(labels: Any, classes: Sequence[str]) -> np.ndarray:
    """Return labels as class indices, (n,) int32.

    Labels are class indices or names, (n,) or (n, 1), or one-hot rows, (n, classes). `classes` are the names of the classes.
    """
    advice = f"give each image the number or the name of its class, (n,), or a one-hot row, (n, {len(classes)})"
    try:
        values = np.asarray(labels)
    except ValueError as error:
        raise DataError(f"The labels have several lengths: {advice}") from error
    if values.ndim == 2 and values.shape[1] == len(classes):
        ones = values == 1
        if not ((ones | (values == 0)).all() and (ones.sum(1) == 1).all()):
            raise DataError(f"Labels of shape {values.shape} are not one-hot rows (a single 1, else 0): {advice}")
        return values.argmax(1).astype("int32")
    if values.ndim != 1 and (values.ndim != 2 or values.shape[1] != 1):
        raise DataError(f"Labels of shape {values.shape} do not fit {len(classes)} classes: {advice}")
    values = values.ravel()
    if values.dtype.kind in "UO":
        return encode_class_names(values, classes)
    return check_class_indices(values, classes, advice)


def encode_class_names(names: np.ndarray, classes: Sequence[str]) -> np.ndarray:
    """Return the indices of class names, (n,) int32."""
    index = {name: i for i, name in enumerate(classes)}
    if unknown := sorted({str(name) for name in names} - set(index)):
        raise DataError(
            f"Labels that are no class of this model: {', '.join(unknown[:5])}; its classes are {', '.join(classes[:12])}"
        )
    return np.array([index[str(name)] for name in names], "int32")


def check_class_indices(values: np.ndarray, classes: Sequence[str], advice: str) -> np.ndarray:
    """Return numbers as class indices, (n,) int32, or raise `DataError`, whose message ends with `advice`."""
    if values.dtype.kind not in "biuf" or (values != np.round(values)).any():
        raise DataError(f"Labels such as {values[:3].tolist()} are neither whole numbers nor names: {advice}")
    if len(values) and (values.min() < 0 or values.max() >= len(classes)):
        raise DataError(
            f"Labels from {values.min():.0f} to {values.max():.0f}, but the model has {len(classes)} classes: load(..., classes=...)"
        )
    return values.astype("int32")


def encode_class_weight(class_weight: Any, classes: Sequence[str]) -> dict[int, float]:
    """Return the weight of each class index, as Keras's `fit` takes it.

    Args:
        class_weight: {class name or class index: weight} with every class.
        classes: Names of the classes.

    Raises:
        DataError: It is no such table, a class is unknown, missing or there twice, or a weight is no finite number from 0 on.
    """
    listing = ", ".join(classes[:12]) + (", ..." if len(classes) > 12 else "")
    if not isinstance(class_weight, Mapping):
        raise DataError(
            f"class_weight is {class_weight!r:.80}: give a weight for each class, {{{classes[0]!r}: 1.0, ...}}"
        )
    index = {name: i for i, name in enumerate(classes)} | {i: i for i in range(len(classes))}
    if unknown := [key for key in class_weight if key not in index]:
        raise DataError(
            f"class_weight has keys that are no class of this model: {', '.join(map(repr, unknown[:5]))}; its classes are "
            f"{listing}, numbered from 0"
        )
    weights: dict[int, float] = {}
    for key, weight in class_weight.items():
        if not isinstance(weight, numbers.Real) or not math.isfinite(weight) or weight < 0:
            raise DataError(f"class_weight of {key!r} is {weight!r}: give a number, 0 or greater")
        if index[key] in weights:
            raise DataError(
                f"class_weight has the class {classes[index[key]]} twice, by its name and by its number: keep one"
            )
        weights[index[key]] = float(weight)
    if missing := [name for i, name in enumerate(classes) if i not in weights]:
        raise DataError(
            f"class_weight has no weight for {len(missing)} of {len(classes)} classes: {', '.join(missing[:5])}; write 1.0 "
            "for classes that keep their weight"
        )
    return weights


def number_classes(
    identifiers: Sequence[str], names: Mapping[str, Sequence[str]], classes: Sequence[str], source: Path, used: Collection[str]
) -> dict[str, int]:  # fmt: skip
    """Return the index of each class of a data set in a model.

    A class of the model belongs to an identifier if its name is or begins with it ("n01440764 tench"), or is one of the
    identifier's names, with or without a remark in parentheses as in "crane (bird)". If this does not decide for all identifiers
    and the model has as many classes, they are in the same order.

    Args:
        identifiers: All classes of the set, in their order, for instance ImageNet's WNIDs.
        names: Names of identifiers.
        classes: Names of the model's classes. Empty for the numbers of the set itself.
        source: Folder of the set, for messages.
        used: Identifiers that images have.

    Raises:
        DataError: An identifier in `used` has no class, or more than one.
    """
    order = {identifier: i for i, identifier in enumerate(identifiers)}
    if not classes:
        return order
    by_identifier = {name.split(" ")[0]: i for i, name in enumerate(classes)}
    by_name: dict[str, set[int]] = {}
    for i, name in enumerate(classes):
        for key in {name, name.partition(" (")[0]}:
            by_name.setdefault(key, set()).add(i)
    numbers: dict[str, int] = {}
    for identifier in identifiers:
        candidates = {i for name in names.get(identifier, ()) for i in by_name.get(name, ())}
        if identifier in by_identifier:
            candidates = {by_identifier[identifier]}
        if len(candidates) == 1:
            numbers[identifier] = candidates.pop()
    if len(set(numbers.values())) == len(identifiers):
        return numbers
    if len(classes) == len(identifiers):
        return order
    counts = Counter(numbers.values())
    if unknown := sorted(i for i in used if counts[numbers.get(i, -1)] != 1):
        listing = ", ".join(" ".join([i, *names.get(i, ())[:1]]) for i in unknown[:5])
        raise DataError(
            f"{source} has {len(identifiers)} classes and the model {len(classes)}, and no single class of the model is known for "
            f"{len(unknown)} of them ({listing}): use a model with {len(identifiers)} classes, or put a list that names them, for "
            "instance LOC_synset_mapping.txt of ImageNet, into that folder"
        )
    return numbers
