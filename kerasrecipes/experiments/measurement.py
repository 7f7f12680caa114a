"""Base class of the results of experiments on images."""

from kerasrecipes.utils.plotting import Figure


class Measurement(Figure):
    """A result with a plot and numbers in words."""

    def summary(self) -> dict[str, str]:
        """Return the numbers in words, by what was measured."""
        raise NotImplementedError

    def __str__(self) -> str:
        return "\n".join(f"{name}: {value}" for name, value in self.summary().items())
