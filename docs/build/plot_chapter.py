"""Plot the figures of the illustrated chapter into docs/guides/chapter/.

    KERAS_BACKEND=tensorflow KERASRECIPES_DATA=PATH python docs/build/plot_chapter.py [NAME ...]    # all figures by default

`train_chapter.py` trains the small networks of some figures.
"""

import sys
from pathlib import Path

from drawing import experiments, operators, sequences

FOLDER = Path(__file__).parents[1] / "guides" / "chapter"


def main() -> None:
    names = sys.argv[1:]
    FOLDER.mkdir(exist_ok=True)
    for plot in (
        operators.plot_sliding, operators.plot_edges, operators.plot_padding, operators.plot_sharing, operators.plot_channels,
        operators.plot_tree, operators.plot_growth, sequences.plot_forgetting, sequences.plot_influence, sequences.plot_lattice,
        sequences.plot_criterion, experiments.plot_pooling, experiments.plot_refinement, experiments.plot_sizes,
    ):  # fmt: skip
        if not names or plot.__name__.removeprefix("plot_") in names:
            plot(FOLDER)


if __name__ == "__main__":
    main()
