"""Upload a recipe's weights, manifest row and card to the hub, and record the revision in the manifest."""

import os
from dataclasses import replace

from kerasrecipes.errors import KerasRecipesError
from kerasrecipes.hub import manifest, weights
from kerasrecipes.release.model_card import card_markdown
from kerasrecipes.utils.files import first_line


def publish(name: str, repo: str, *, dry_run: bool = True) -> str:
    """Upload a recipe's weight file, its manifest row as `manifest.json` and its card as `README.md` in one commit.

    A missing repository `repo`, "org/name" on the hub, is created. With `dry_run` everything is checked and nothing uploaded.
    Returns a line about what was uploaded, or would be.
    """
    if not manifest.REPOSITORY.fullmatch(repo):
        raise KerasRecipesError(f"{repo!r} is not the name of a repository on the hub: write ORG/NAME")
    row = manifest.get_entry(name)
    path = weights.weights_path(row, offline=True)
    card = card_markdown(name)
    engines = {e["file"]: weights.onnx_path(row, step=e is not row.onnx, offline=True) for e in weights.onnx_files(row)}
    sizes = ", ".join(f"{p.name} ({p.stat().st_size / 1e6:.1f} MB)" for p in (path, *engines.values()))
    plan = f"{sizes}, {weights.MANIFEST_FILE} and README.md ({len(card)} characters) to {repo}"
    if dry_run:
        return f"would upload {plan}; add --yes to do it"
    # the uploaded row cannot hold its own revision, which a reference on the hub names
    uploaded = manifest.to_json(replace(row, hub=None)).encode()
    files: dict[str, str | bytes] = {row.file: str(path), weights.MANIFEST_FILE: uploaded, "README.md": card.encode()}
    files |= {name: str(file) for name, file in engines.items()}
    revision = _commit(repo, files, f"{name} {row.tag}")
    location = {"repo": repo, "revision": revision}
    try:
        manifest.write_entry(replace(row, hub=location))
    except (OSError, KerasRecipesError) as error:
        raise KerasRecipesError(
            f"Uploaded, but the row of {name} cannot be written ({error}): add {location} to it"
        ) from error
    return f"uploaded {plan} at {revision}; the manifest row names it"


def _commit(repo: str, files: dict[str, str | bytes], message: str) -> str:
    """Upload files to a repository in one commit and return its revision of 40 hexadecimal digits."""
    from huggingface_hub import CommitOperationAdd, HfApi
    from huggingface_hub import errors as hub

    api = HfApi(endpoint=os.environ.get("HF_ENDPOINT"), library_name="kerasrecipes")
    try:
        api.create_repo(repo, exist_ok=True)
        operations = [CommitOperationAdd(path_in_repo=k, path_or_fileobj=v) for k, v in files.items()]
        return api.create_commit(repo, operations, commit_message=message).oid
    # the hub package raises RuntimeError if an upload breaks off, and ValueError for a reply that it cannot read
    except (hub.HTTPError, OSError, RuntimeError, ValueError) as error:
        raise KerasRecipesError(
            f"Uploading to {repo} failed: {first_line(error)}; log in with `hf auth login`, check the name and the network, try again"
        ) from error
