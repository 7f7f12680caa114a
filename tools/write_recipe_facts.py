"""Write kerasrecipes/assets/recipe_facts.json: the facts of each recipe that take its network, for commands that run without Keras.

    python tools/write_recipe_facts.py

Run it after changes of recipes. A test compares the file with the networks.
"""

from kerasrecipes import registry
from kerasrecipes.release import model_card
from kerasrecipes.utils.files import write_json

if __name__ == "__main__":
    own = [name for name, recipe in registry.all_recipes().items() if str(recipe.builder).startswith("kerasrecipes.")]
    facts = {name: model_card.compute_model_facts(name) for name in own}
    print(write_json(model_card.FACTS, facts))
