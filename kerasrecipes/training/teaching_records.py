"""Records of `teach`: the plan that an interrupted call continues, and the card of a finished one."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kerasrecipes.data.utterances import Utterances
from kerasrecipes.errors import DataError, convert_errors
from kerasrecipes.utils.files import write_json


@dataclass(frozen=True)
class TeachingCard:
    """Result of `teach`: what was measured, and the files. `str()` formats it.

    Args:
        folder: Folder of the files.
        values: Contents of its `card.json`.
    """

    folder: Path
    values: dict[str, Any]

    @property
    def model(self) -> Path:
        """The ONNX file, or the `.keras` file where ONNX could not be written."""
        return self.folder / self.values["model"]

    @property
    def phrases(self) -> Path | None:
        """The file of phrases, None if the transcripts are no closed list."""
        return self.folder / "phrases.txt" if self.values["phrases"] else None

    def __str__(self) -> str:
        values = self.values
        lines = [f"{'clips':22} {values['train_clips']} for training, {values['held_out_clips']} held out ({values['held_out']})"]
        lines.append(f"{'training':22} {values['steps']} steps in {values['minutes']:.1f} minutes")
        for decoder, rates in values["word_errors"].items():
            lines.append(f"{f'word errors, {decoder}':22} {100 * rates['before']:.1f} % before, {100 * rates['after']:.1f} % after")
        if values["phrases"]:
            best = values["rejection"]
            text = f"{best['rejection_cost']:g}: {100 * best['misses']:.1f} % of the held-out clips are missed"
            if best["false_per_hour"] is not None:
                text += f", {best['false_per_hour']:.0f} false phrases in an hour of other speech"
            lines.append(f"{'rejection cost':22} {text}")
        return "\n".join(lines)


def describe_held_out(train: Utterances, held_out: Utterances) -> str:
    """Return who speaks the held-out clips."""
    speakers = {u.speaker for u in held_out}
    if "" in speakers or speakers & {u.speaker for u in train}:
        return "of speakers that are also in the training clips, or unknown"
    return f"of speakers {', '.join(sorted(speakers))}" if len(speakers) > 1 else f"of speaker {min(speakers)}"


def hash_clips(*parts: Utterances) -> str:
    """Return a hash of the paths, lengths and transcripts of clips."""
    rows = [[(str(Path(u.path).resolve()), round(u.seconds, 2), u.text) for u in part] for part in parts]
    return hashlib.sha256(json.dumps(rows).encode()).hexdigest()[:16]


def open_plan(folder: Path, request: dict[str, Any]) -> dict[str, Any]:
    """Return the plan of an interrupted call for the same request, or write and return a new one.

    Raises:
        DataError: The folder holds the plan of another request.
    """
    path = folder / "plan.json"
    request = json.loads(json.dumps(request))
    if not path.exists():
        write_json(path, {"request": request})
        return {"request": request}
    with convert_errors(DataError, path):
        plan = dict(json.loads(path.read_text("utf-8")))
    if plan.get("request") != request:
        old = plan.get("request") or {}
        changed = ", ".join(sorted(name for name in {**old, **request} if request.get(name) != old.get(name)))
        raise DataError(f"{folder} holds a result for other {changed}: pass another --output, or delete the folder")
    return plan


def read_card(folder: Path) -> TeachingCard | None:
    """Return the card of a finished call, None if there is none."""
    path = folder / "card.json"
    if not path.exists():
        return None
    with convert_errors(DataError, path):
        card = TeachingCard(folder, dict(json.loads(path.read_text("utf-8"))))
        str(card)
        return card
