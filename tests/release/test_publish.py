"""Publishing to a local hub, loading by reference, and the model card."""

import json

import pytest
from hub_server import CONTENT, REVISION, row

from kerasrecipes import loading
from kerasrecipes.errors import KerasRecipesError, RecipeNotFound, WeightsCorrupted, WeightsUnavailable
from kerasrecipes.hub import manifest, weights
from kerasrecipes.release import model_card
from kerasrecipes.release.publish import publish

NAME = row().recipe
REFERENCE = f"hf://org/name@{REVISION}"


@pytest.fixture
def released(place, loopback, monkeypatch):
    """Unpublished weights and their row, an empty hub, a login, and plain LFS instead of Xet, which needs more than HTTP."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_XET", True)
    monkeypatch.setenv("HF_TOKEN", "hf_test")
    manifest.write_entry(row(hub=None))
    (place / "weights" / row().file).write_bytes(CONTENT)
    loopback.files.clear()
    return place


def test_dry_run_sends_and_changes_nothing(released, loopback):
    assert publish(NAME, "org/name").startswith(f"would upload {row().file} (0.3 MB)")
    assert not loopback.requests and manifest.get_entry(NAME).hub is None


def test_publish_then_load_by_reference(released, loopback):
    assert REVISION in publish(NAME, "org/name", dry_run=False)
    assert manifest.get_entry(NAME).hub == {"repo": "org/name", "revision": REVISION}
    assert sorted(loopback.files) == ["README.md", row().file, "manifest.json"]
    assert loopback.files[row().file] == CONTENT and list(loopback.objects) == [row().sha256]
    (released / "weights" / row().file).unlink()
    found, path = weights.fetch_from_reference(REFERENCE)
    assert path.read_bytes() == CONTENT and found == row(hub={"repo": "org/name", "revision": REVISION})
    assert weights.weights_path(manifest.get_entry(NAME)) == path
    asked = len(loopback.requests)
    assert weights.fetch_from_reference(REFERENCE, offline=True) == (found, path) and len(loopback.requests) == asked


def test_a_second_release_does_not_keep_the_first_revision(released, loopback):
    manifest.write_entry(row())
    publish(NAME, "org/name", dry_run=False)
    assert json.loads(loopback.files["manifest.json"])["hub"] is None


@pytest.mark.parametrize("dry_run", [True, False])
def test_corrupted_weights_and_bad_names_are_not_published(released, loopback, dry_run):
    with pytest.raises(KerasRecipesError, match="write ORG/NAME"):
        publish(NAME, "name", dry_run=dry_run)
    with pytest.raises(WeightsUnavailable, match="kerasrecipes train deepspeech2_70m"):
        publish("deepspeech2_70m", "org/name", dry_run=dry_run)
    (released / "weights" / row().file).write_bytes(bytes(len(CONTENT)))
    with pytest.raises(WeightsCorrupted):
        publish(NAME, "org/name", dry_run=dry_run)
    assert not loopback.requests


def test_a_hub_that_rejects_the_upload(released, loopback):
    loopback.refuse = True
    with pytest.raises(KerasRecipesError, match=r"org/name failed: .*403.*hf auth login"):
        publish(NAME, "org/name", dry_run=False)
    assert manifest.get_entry(NAME).hub is None


def test_no_network(released, monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(KerasRecipesError, match="org/name failed: .*network"):
        publish(NAME, "org/name", dry_run=False)


def test_an_unwritable_manifest_reports_the_revision(released, monkeypatch):
    def refuse(row):
        raise PermissionError("read-only")

    monkeypatch.setattr(manifest, "write_entry", refuse)
    with pytest.raises(KerasRecipesError, match=f"Uploaded, but .*{REVISION}"):
        publish(NAME, "org/name", dry_run=False)


@pytest.mark.parametrize("bad", ["hf://org/name", "hf://org/name@main", f"hf://name@{REVISION}", f"{REFERENCE}0"])
def test_invalid_references_raise(bad):
    with pytest.raises(WeightsUnavailable, match="no hub reference"):
        weights.fetch_from_reference(bad)


def test_a_repository_with_a_bad_row_leaves_nothing_in_the_cache(released, loopback):
    loopback.files["manifest.json"] = b'{"recipe": "x"}'
    with pytest.raises(KerasRecipesError, match="missing .*'sha256'"):
        weights.fetch_from_reference(REFERENCE)
    loopback.files["manifest.json"] = manifest.to_json(row(hub=None)).encode()
    loopback.files[row().file] = CONTENT
    assert weights.fetch_from_reference(REFERENCE)[1].read_bytes() == CONTENT


def test_card_is_complete(released):
    text = model_card.card(NAME)
    for part in ("arXiv:1512.02595", "parameters", "receptive field", "with a checkout",
                 "CC BY 4.0", "a 1.00 h (synthetic)", "50.0 % (40.0 to 60.0)", "kerasrecipes evaluate x",
                 f"kerasrecipes train {NAME}", f"kerasrecipes transcribe talk.flac --recipe {NAME}"):  # fmt: skip
        assert part in text, part
    manifest.write_entry(row(metrics=()))
    assert "measured" not in model_card.card(NAME)
    assert f"hf://org/name@{REVISION}" in model_card.card(NAME)


def test_card_for_the_hub(released):
    page = model_card.card_markdown(NAME)
    front, _, body = page.removeprefix("---\n").partition("\n---\n")
    assert "library_name: keras" in front and "- speech-recognition" in front
    for part in (f"# {NAME}", row().sha256, "| d | word errors, greedy | 50.0 % (40.0 to 60.0) |", "kerasrecipes evaluate x"):
        assert part in body, part
    with pytest.raises(WeightsUnavailable):
        model_card.card_markdown("deepspeech2_70m")
    with pytest.raises(RecipeNotFound):
        model_card.card("deepspeech3")


def test_card_counts_the_parameters_of_the_model():
    model = loading.load(NAME, weights=None, compile=False)
    assert model_card.model_facts(NAME)["parameters"] == f"{model.count_params():,}"


def test_publish_checks_the_onnx_files(released):
    entry = {"file": "x.onnx", "size": len(CONTENT), "sha256": row().sha256, "weights": row().sha256}
    manifest.write_entry(row(hub=None, onnx=entry))
    with pytest.raises(WeightsUnavailable):
        publish(NAME, "org/name")
    (released / "weights" / "x.onnx").write_bytes(CONTENT)
    assert "x.onnx (0.3 MB)" in publish(NAME, "org/name")
