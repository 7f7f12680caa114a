"""Names and questions of the studies, which need no backend to be listed."""

from pathlib import Path

from kerasrecipes.errors import DataError
from kerasrecipes.utils.yaml_files import read_yaml

EXPERIMENTS_FOLDER = Path(__file__).parent / "study_configs"


def experiment_names() -> list[str]:
    """Return the names of all studies."""
    return sorted(p.stem for p in EXPERIMENTS_FOLDER.glob("*.yaml"))


def experiment_questions() -> dict[str, str]:
    """Return the question of each study by its name."""
    return {name: read_yaml(EXPERIMENTS_FOLDER / f"{name}.yaml")["question"] for name in experiment_names()}


def find_experiment_file(name: str) -> Path:
    """Return the YAML file of a study.

    Args:
        name: Name of a study, or the path of a YAML file.

    Raises:
        DataError: There is no such study. The message names all.
    """
    path = Path(name) if name.endswith(".yaml") else EXPERIMENTS_FOLDER / f"{name}.yaml"
    if not path.is_file():
        raise DataError(f"There is no study {name}; there are {', '.join(experiment_names())}")
    return path
