"""Plot the figures of the illustrated chapter into docs/guides/chapter/.

KERAS_BACKEND=tensorflow KERASRECIPES_DATA=PATH python docs/build/plot_chapter.py
"""

from pathlib import Path

from drawing import operators, sequences

FOLDER = Path(__file__).parents[1] / "guides" / "chapter"


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    for plot in (
        operators.plot_sliding, operators.plot_edges, operators.plot_padding, operators.plot_sharing, operators.plot_channels,
        operators.plot_tree, operators.plot_growth, sequences.plot_forgetting, sequences.plot_influence, sequences.plot_lattice,
        sequences.plot_criterion,
    ):  # fmt: skip
        plot(FOLDER)


if __name__ == "__main__":
    main()
