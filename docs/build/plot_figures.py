"""Draw what recipes have learned and measure what they get wrong: docs/cache/NAME, shown on the recipes' pages.

    KERASRECIPES_DATA=PATH python docs/build/plot_figures.py [NAME ...]      # all recipes with released weights by default

The results are kept in the repository, because they take minutes and data; run it again after a release of weights.
Recognizers of phones want the environment variable PHONES, the label file of dev-mini (docs/guides/phones.md).
"""

import argparse
import sys
import time

from drawing import figure_cache, language, pictures, speech, waves

from kerasrecipes import loading, registry
from kerasrecipes.hub import manifest

BY_TASK = {
    "speech-recognition": speech.draw,
    "phoneme-recognition": speech.draw,
    "image-classification": pictures.draw,
    "segmentation": pictures.draw_segmenter,
    "language-model": language.draw,
    "waveform-generation": waves.draw,
}


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("names", nargs="*", help="recipes; all with released weights by default")
    options.add_argument("--random", action="store_true", help="random weights: to try a recipe before its release")
    o = options.parse_args()
    for name in o.names or list(manifest.entries()):
        begin = time.perf_counter()
        model = loading.load(name, compile=False, **({"weights": None} if o.random else {}))
        keeper = figure_cache.Keeper(name)
        BY_TASK[registry.get_recipe(name).task](model, keeper)
        print(f"{keeper.write()} after {time.perf_counter() - begin:.0f} s", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
