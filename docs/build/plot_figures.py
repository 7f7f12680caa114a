"""Write docs/cache/NAME for the recipes' pages: figures of what networks have learned, and examples of their errors.

    KERASRECIPES_DATA=PATH python docs/build/plot_figures.py [NAME ...]      # all recipes with released weights by default

The results are in the repository, because they need minutes and data sets. Run this script after a release of weights. For phoneme
recognizers set the environment variable PHONES to the label file of dev-mini (docs/guides/phones.md).
"""

import argparse
import sys
import time

from drawing import figure_cache, language, pictures, speech, waves

from kerasrecipes import loading, registry
from kerasrecipes.hub import manifest

BY_TASK = {
    "speech-recognition": speech.collect_figures,
    "phoneme-recognition": speech.collect_figures,
    "image-classification": pictures.collect_figures,
    "segmentation": pictures.collect_segmenter_figures,
    "language-model": language.collect_figures,
    "waveform-generation": waves.collect_figures,
}


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("names", nargs="*", help="recipes; all with released weights by default")
    options.add_argument("--random", action="store_true", help="use random weights, to try a recipe before its release")
    o = options.parse_args()
    for name in o.names or list(manifest.entries()):
        begin = time.perf_counter()
        model = loading.load(name, compile=False, **({"weights": None} if o.random else {}))
        cache = figure_cache.FigureCache(name)
        BY_TASK[registry.get_recipe(name).task](model, cache)
        print(f"{cache.write()} after {time.perf_counter() - begin:.0f} s", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
