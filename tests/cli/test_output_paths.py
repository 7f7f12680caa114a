"""A file for every input: inputs stay as they are, and no result is written over another."""

import numpy as np
import pytest
from PIL import Image

from kerasrecipes import image, loading
from kerasrecipes.cli import output_paths
from kerasrecipes.cli.main import main
from kerasrecipes.errors import KerasRecipesError


@pytest.fixture
def streets(tmp_path, monkeypatch):
    """A segmenter at test size, and pictures of one name in two folders."""
    monkeypatch.chdir(tmp_path)
    settings = loading.registry.get_recipe("dilated_camvid_small").tiny_config
    loading.load("dilated_camvid_small", weights=None, compile=False, **settings).save("streets.keras")
    for name in ("a/001.png", "b/001.png", "b/002.jpg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        picture = np.random.default_rng(len(name)).integers(0, 256, (24, 32, 3), "uint8")
        Image.fromarray(picture).save(tmp_path / name)
    return tmp_path


def segment(*words):
    return main(["segment", "--recipe", "streets.keras", *words])


def test_results_keep_the_folders_of_a_folder(streets):
    assert segment(".", "--out", "masks") == 0
    found = sorted(str(p.relative_to(streets / "masks")) for p in (streets / "masks").rglob("*.png"))
    assert found == sorted(f"{name}{end}.png" for name in ("a/001", "b/001", "b/002") for end in ("", "_overlay"))
    with Image.open(streets / "masks" / "a" / "001.png") as mask, Image.open(streets / "a" / "001.png") as picture:
        assert (mask.mode, picture.mode, mask.size) == ("P", "RGB", picture.size)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ("a/001.png", "b/001.png", "--out", "masks"),
            "a/001.png and b/001.png would both be written to masks/001.png",
        ),
        (("a", "b", "--out", "masks"), "would both be written to masks/001.png"),
        (("a/001.png", "--out", "a"), "a/001.png is read, and would be written over"),
        ((".", "--out", "."), "is read, and would be written over"),
    ],
)
def test_nothing_is_written_over(words, said, streets, capsys):
    before = {p: p.read_bytes() for p in streets.rglob("*") if p.is_file()}
    assert segment(*words) == 1 and said in capsys.readouterr().err
    assert before == {p: p.read_bytes() for p in streets.rglob("*") if p.is_file()}


def test_a_picture_named_as_another_s_overlay(tmp_path):
    for name in ("x.jpg", "x_overlay.jpg"):
        (tmp_path / name).write_bytes(b"")
    with pytest.raises(KerasRecipesError, match=r"would both be written to .*x_overlay\.png"):
        output_paths.output_paths([str(tmp_path)], image.list_image_files, tmp_path / "out", ".png", "_overlay.png")
    found = output_paths.output_paths([str(tmp_path)], image.list_image_files, tmp_path / "out", ".txt")
    assert [p.name for places in found.values() for p in places] == ["x.txt", "x_overlay.txt"]


def test_classes_as_rows_and_as_many_as_asked_for(tmp_path, capsys):
    Image.fromarray(np.zeros((28, 28), "uint8")).save(tmp_path / "x.png")
    words = ["classify", str(tmp_path / "x.png"), "--recipe", "convnetjs_mnist"]
    assert main([*words, "--format", "json", "--top", "2"]) == 0
    assert capsys.readouterr().out.count("probability") == 2
    assert main([*words, "--views", "0"]) == 1 and "views is 0" in capsys.readouterr().err
    assert (
        main([*words, "--out", str(tmp_path / "rows"), "--top", "3"]) == 1
        and "leave out --top" in capsys.readouterr().err
    )
    assert main([*words, "--out", str(tmp_path / "rows")]) == 0 and (tmp_path / "rows" / "run.json").is_file()
