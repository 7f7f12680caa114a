"""One output file for every input: inputs are never overwritten, and no two inputs share an output file."""

import numpy as np
import pytest
from PIL import Image

from kerasrecipes import image, loading
from kerasrecipes.cli import output_paths
from kerasrecipes.cli.main import main
from kerasrecipes.errors import KerasRecipesError


@pytest.fixture
def streets(tmp_path, monkeypatch):
    """A tiny segmenter, and images of the same name in two folders."""
    monkeypatch.chdir(tmp_path)
    settings = loading.registry.get_recipe("dilated_camvid_small").tiny_config
    loading.load("dilated_camvid_small", weights=None, compile=False, **settings).save("streets.keras")
    for name in ("a/001.png", "b/001.png", "b/002.jpg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        image_array = np.random.default_rng(len(name)).integers(0, 256, (24, 32, 3), "uint8")
        Image.fromarray(image_array).save(tmp_path / name)
    return tmp_path


def segment(*words):
    return main(["segment", "--recipe", "streets.keras", *words])


def test_outputs_keep_subfolders(streets):
    assert segment(".", "--output", "masks") == 0
    paths = sorted(str(p.relative_to(streets / "masks")) for p in (streets / "masks").rglob("*.png"))
    assert paths == sorted(f"{name}{end}.png" for name in ("a/001", "b/001", "b/002") for end in ("", "_overlay"))
    with Image.open(streets / "masks" / "a" / "001.png") as mask, Image.open(streets / "a" / "001.png") as original:
        assert (mask.mode, original.mode, mask.size) == ("P", "RGB", original.size)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ("a/001.png", "b/001.png", "--output", "masks"),
            "a/001.png and b/001.png would both be written to masks/001.png",
        ),
        (("a", "b", "--output", "masks"), "would both be written to masks/001.png"),
        (("a/001.png", "--output", "a"), "a/001.png is an input and would be overwritten"),
        ((".", "--output", "."), "is an input and would be overwritten"),
    ],
)
def test_nothing_is_overwritten(words, message, streets, capsys):
    before = {p: p.read_bytes() for p in streets.rglob("*") if p.is_file()}
    assert segment(*words) == 1 and message in capsys.readouterr().err
    assert before == {p: p.read_bytes() for p in streets.rglob("*") if p.is_file()}


def test_an_image_named_like_another_overlay(tmp_path):
    for name in ("x.jpg", "x_overlay.jpg"):
        (tmp_path / name).write_bytes(b"")
    with pytest.raises(KerasRecipesError, match=r"would both be written to .*x_overlay\.png"):
        output_paths.output_paths([str(tmp_path)], image.list_image_files, tmp_path / "out", ".png", "_overlay.png")
    outputs = output_paths.output_paths([str(tmp_path)], image.list_image_files, tmp_path / "out", ".txt")
    assert [p.name for paths in outputs.values() for p in paths] == ["x.txt", "x_overlay.txt"]


def test_classes_as_rows_and_top(tmp_path, capsys):
    Image.fromarray(np.zeros((28, 28), "uint8")).save(tmp_path / "x.png")
    words = ["classify", str(tmp_path / "x.png"), "--recipe", "convnetjs_mnist"]
    assert main([*words, "--format", "json", "--top", "2"]) == 0
    assert capsys.readouterr().out.count("probability") == 2
    assert main([*words, "--num-crops", "0"]) == 1 and "num_crops" in capsys.readouterr().err
    assert (
        main([*words, "--output", str(tmp_path / "rows"), "--top", "3"]) == 1
        and "leave out --top" in capsys.readouterr().err
    )
    assert main([*words, "--output", str(tmp_path / "rows")]) == 0 and (tmp_path / "rows" / "run.json").is_file()
