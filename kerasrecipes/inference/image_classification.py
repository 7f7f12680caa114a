"""Engine-independent image classification: turns logits into classes. Does not import Keras."""

from collections.abc import Sequence
from typing import Any, overload

import numpy as np

from kerasrecipes import image
from kerasrecipes.errors import ImageError, KerasRecipesError
from kerasrecipes.results import Classification

BATCH_SIZE = 32


class ImageClassificationMixin:
    """Adds `classify` and `probabilities`. Subclasses have `classes`, `preprocessing` and `predict_logits`."""

    classes: tuple[str, ...]
    preprocessing: Any
    predict_logits: Any

    @overload
    def classify(
        self, images: list[Any] | tuple[Any, ...], num_crops: int = 1, seed: int = 0, batch_size: int = BATCH_SIZE
    ) -> list[Classification | ImageError]: ...

    @overload
    def classify(self, images: Any, num_crops: int = 1, seed: int = 0, batch_size: int = BATCH_SIZE) -> Classification: ...

    def classify(self, images: Any, num_crops: int = 1, seed: int = 0, batch_size: int = BATCH_SIZE) -> Any:
        """Return the classes of images.

        Args:
            images: Anything that `kerasrecipes.image.load_image` takes, or a list or folder of it.
            num_crops: Average the probabilities over this many crops, shifted and mirrored as in the recipe's paper.
                1 takes the center crop.
            seed: Seed of random crops.
            batch_size: Crops in one batch of the network.

        Returns:
            A `Classification`. For a list or folder, a list in order with an `ImageError` for every unreadable image.

        Raises:
            ImageError: A single image cannot be read.
            KerasRecipesError: `num_crops` is not positive.
        """
        if num_crops < 1:
            raise KerasRecipesError(f"num_crops is {num_crops}: it must be at least 1")
        results: list[Any] = []
        sources = image.list_image_files(images)
        step = max(batch_size // num_crops, 1)
        for start in range(0, len(sources), step):
            # one by one, so that no two large images are in memory
            canvases = [self._load_resized(source) for source in sources[start : start + step]]
            readable = [c for c in canvases if not isinstance(c, ImageError)]
            classified = iter(self._to_results(readable, num_crops, seed) if readable else [])
            results += [c if isinstance(c, ImageError) else next(classified) for c in canvases]
        return image.single_or_list(images, results)

    def _load_resized(self, source: Any) -> Any:
        """Return an image resized for cropping, or its `ImageError`."""
        loaded = image.load_images_or_errors([source])[0]
        return loaded if isinstance(loaded, ImageError) else self.preprocessing.resize(loaded)

    def _to_results(self, canvases: Sequence[np.ndarray], num_crops: int, seed: int) -> list[Classification]:
        return [Classification(self.classes, tuple(p.tolist())) for p in self.probabilities(canvases, num_crops, seed)]

    def probabilities(self, canvases: Any, num_crops: int = 1, seed: int = 0) -> np.ndarray:
        """Return the class probabilities (images, classes), averaged over crops.

        Args:
            canvases: Images resized for cropping (images, height, width, channels).
            num_crops: Number of crops. An image's crops do not depend on the other images.
            seed: Seed of random crops.
        """
        if num_crops == 1:
            crops = np.stack([self.preprocessing.center_crop(c) for c in canvases])[:, None]
        else:
            crops = np.stack([
                self.preprocessing.crops(np.asarray(c, "float32"), num_crops, np.random.default_rng(seed)) for c in canvases
            ])  # fmt: skip
        logits = self.predict_logits(crops.reshape(-1, *crops.shape[2:])).astype("float64")
        probabilities = np.exp(logits - logits.max(-1, keepdims=True))
        probabilities /= probabilities.sum(-1, keepdims=True)
        return probabilities.reshape(len(crops), -1, probabilities.shape[-1]).mean(1)
