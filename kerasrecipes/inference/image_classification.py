"""What a classifier of pictures does with scores, whatever engine computes them; needs no Keras."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from kerasrecipes import image
from kerasrecipes.errors import ImageError, KerasRecipesError
from kerasrecipes.results import Classification

BATCH_SIZE = 32  # views in one pass of `classify`


class ImageClassificationMixin:
    """`classify` on top of `scores(pictures)`; subclasses have `classes`, and `preparation` of pictures."""

    classes: tuple[str, ...]
    preparation: Any
    scores: Any

    def classify(self, pictures: Any, views: int = 1, seed: int = 0, batch: int = BATCH_SIZE) -> Any:
        """What is on a picture.

        Args:
            pictures: what `kerasrecipes.image.load_image` takes; or a list or folder of such.
            views: average the probabilities over so many cut-outs (shifted, mirrored: as the recipe's paper does); 1 is the
                centre alone. seed: of random views. batch: views in one pass of the network.

        Returns:
            A `Classification`; for a list or folder a list in order, where a bad picture's place holds its `ImageError`.

        Raises:
            ImageError: a single picture cannot be read. KerasRecipesError: `views` is not positive.
        """
        if views < 1:
            raise KerasRecipesError(f"views is {views}: at least 1")
        several = image.returns_list(pictures)
        found: list[Any] = []
        sources = image.list_image_files(pictures)
        step = max(batch // views, 1)
        for begin in range(0, len(sources), step):
            read = [
                self._load_resized(source) for source in sources[begin : begin + step]
            ]  # no two large pictures at once
            good = [c for c in read if not isinstance(c, ImageError)]
            results = iter(self._to_results(good, views, seed) if good else [])
            found += [c if isinstance(c, ImageError) else next(results) for c in read]
        if several:
            return found
        if isinstance(found[0], ImageError):
            raise found[0]
        return found[0]

    def _load_resized(self, source: Any) -> Any:
        """A picture on the recipe's canvas, or its `ImageError`."""
        read = image.load_images_or_errors([source])[0]
        return read if isinstance(read, ImageError) else self.preparation.resize(read)

    def _to_results(self, canvases: Sequence[np.ndarray], views: int, seed: int) -> list[Classification]:
        return [Classification(self.classes, tuple(p.tolist())) for p in self.probabilities(canvases, views, seed)]

    def probabilities(self, canvases: Any, views: int = 1, seed: int = 0) -> np.ndarray:
        """Class probabilities (pictures, classes) of pictures on the recipe's canvas (pictures, height, width, channels),
        averaged over views; the views of a picture do not depend on the others."""
        rule = self.preparation
        if views == 1:
            cuts = np.stack([rule.one(c) for c in canvases])[:, None]
        else:
            cuts = np.stack(
                [rule.several(np.asarray(c, "float32"), views, np.random.default_rng(seed)) for c in canvases]
            )
        scores = self.scores(cuts.reshape(-1, *cuts.shape[2:])).astype("float64")
        found = np.exp(scores - scores.max(-1, keepdims=True))
        found /= found.sum(-1, keepdims=True)
        return found.reshape(len(cuts), -1, found.shape[-1]).mean(1)
