"""Draw the pictures of the illustrated chapter into docs/guides/chapter/.

KERAS_BACKEND=tensorflow KERASRECIPES_DATA=PATH python docs/build/plot_chapter.py
"""

from pathlib import Path

from drawing import operators, sequences

FOLDER = Path(__file__).parents[1] / "guides" / "chapter"


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    for draw in (
        operators.sliding, operators.edges, operators.padding, operators.sharing, operators.channels, operators.tree,
        operators.growth, sequences.forgetting, sequences.influence, sequences.lattice, sequences.criterion,
    ):  # fmt: skip
        draw(FOLDER)


if __name__ == "__main__":
    main()
