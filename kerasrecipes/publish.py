"""Upload a recipe's weights, row and card to the hub, and pin the revision in the manifest."""

import os
from dataclasses import replace

from kerasrecipes import manifest, store
from kerasrecipes.card import card_markdown
from kerasrecipes.errors import KerasRecipesError


def publish(name: str, repo: str, *, dry_run: bool = True) -> str:
    """Upload `name`'s weight file, its manifest row as `manifest.json` and its card as `README.md` in one commit.

    Args:
        name: of the recipe. repo: "org/name" on the hub; made if it is not there.
        dry_run: only say what would be uploaded.

    Returns:
        What was done, or would be.

    Raises:
        KerasRecipesError: the file does not match its row, or the hub refuses.
    """
    row = manifest.get(name)
    path = store.locate(row, offline=True)
    card = card_markdown(name)
    plan = f"{path.name} ({row.size / 1e6:.1f} MB), manifest.json and README.md ({len(card)} characters) to {repo}"
    if dry_run:
        return f"would upload {plan}; add --yes to do it"
    from huggingface_hub import CommitOperationAdd, HfApi
    from huggingface_hub import errors as hub

    api = HfApi(endpoint=os.environ.get("HF_ENDPOINT"), library_name="kerasrecipes")
    try:
        api.create_repo(repo, exist_ok=True)
        row_json = (manifest.folder() / f"{name}.json").read_bytes()
        files: dict[str, str | bytes] = {row.file: str(path), "manifest.json": row_json, "README.md": card.encode()}
        operations = [CommitOperationAdd(path_in_repo=k, path_or_fileobj=v) for k, v in files.items()]
        done = api.create_commit(repo, operations, commit_message=f"{name} {row.tag}")
    except (hub.HfHubHTTPError, OSError) as error:
        raise KerasRecipesError(
            f"The hub refused {repo}: {error}; log in with `hf auth login` and check the name"
        ) from error
    manifest.write(replace(row, hub={"repo": repo, "revision": done.oid}))
    return f"uploaded {plan} at {done.oid}; the manifest row is filled"
