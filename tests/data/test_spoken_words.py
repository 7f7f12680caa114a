"""Speech Commands and the Free Spoken Digit Dataset in their official layouts, with what each damage gives."""

import numpy as np
import pytest
import soundfile

from kerasrecipes.cli import main
from kerasrecipes.data import load_datasets
from kerasrecipes.errors import DataError
from kerasrecipes.utils.media_decoding import find_decoder


def save(path, seconds=0.1):
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, np.zeros(int(8000 * seconds)), 8000)


@pytest.fixture
def commands(tmp_path):
    for name in ("yes/0a7c2a8d_nohash_0", "yes/0a7c2a8d_nohash_1", "no/b_nohash_0", "no/c_nohash_0", "_background_noise_/pink_noise"):
        save(tmp_path / f"{name}.wav")
    (tmp_path / "validation_list.txt").write_text("no/b_nohash_0.wav\n")
    (tmp_path / "testing_list.txt").write_text("no/c_nohash_0.wav\n")
    return tmp_path


def test_speech_commands_and_their_splits(commands):
    clips = load_datasets([f"speech-commands:{commands}"])
    assert [(u.id, u.text, u.speaker) for u in clips] == [
        ("no/b_nohash_0.wav", "no", "b"), ("no/c_nohash_0.wav", "no", "c"),
        ("yes/0a7c2a8d_nohash_0.wav", "yes", "0a7c2a8d"), ("yes/0a7c2a8d_nohash_1.wav", "yes", "0a7c2a8d"),
    ]  # fmt: skip
    for split, speakers in (("train", {"0a7c2a8d"}), ("validation", {"b"}), ("test", {"c"})):
        assert {u.speaker for u in load_datasets([f"speech-commands:{commands}?split={split}"])} == speakers


def test_digits_and_their_splits(tmp_path, capsys):
    for take in range(7):
        save(tmp_path / "recordings" / f"7_jackson_{take}.wav")
    clips = load_datasets([f"fsdd:{tmp_path}"])
    assert {(u.text, u.speaker) for u in clips} == {("seven", "jackson")} and len(clips) == 7
    assert [u.id for u in load_datasets([f"fsdd:{tmp_path}/recordings?split=train"])] == ["7_jackson_5", "7_jackson_6"]
    assert len(load_datasets([f"fsdd:{tmp_path}?split=test"])) == 5
    assert main.main(["data", "summary", f"fsdd:{tmp_path}"]) == 0 and "clips                7" in capsys.readouterr().out
    save(tmp_path / "recordings" / "ten_jackson_1.wav")
    with pytest.raises(DataError, match=r"ten_jackson_1\.wav is not named DIGIT_SPEAKER_TAKE"):
        load_datasets([f"fsdd:{tmp_path}"])


def test_clips_are_listed_as_by_all_commands(commands, tmp_path):
    (commands / "yes" / "._0a7c2a8d_nohash_0.wav").write_bytes(b"x")
    (commands / "no" / "phone_nohash_0.m4a").write_bytes(b"x")
    with pytest.warns(UserWarning, match=r"yes: 1 skipped: 1 made by macOS"):
        clips = load_datasets([f"speech-commands:{commands}"])
    assert [u.id for u in clips] == [
        "no/b_nohash_0.wav", "no/c_nohash_0.wav", *["no/phone_nohash_0.m4a"] * bool(find_decoder()),
        "yes/0a7c2a8d_nohash_0.wav", "yes/0a7c2a8d_nohash_1.wav",
    ]  # fmt: skip
    save(tmp_path / "digits" / "7_jackson_0.wav")
    (tmp_path / "digits" / "._7_jackson_0.wav").write_bytes(b"x")
    with pytest.warns(UserWarning, match=r"digits: 1 skipped: 1 made by macOS"):
        assert [u.id for u in load_datasets([f"fsdd:{tmp_path / 'digits'}"])] == ["7_jackson_0"]


@pytest.mark.parametrize(("spec", "damage", "message"), [
    ("speech-commands:{}?split=test", "testing_list.txt", "no list .*testing_list.txt"),
    ("speech-commands:{}?split=train", "no/b_nohash_0.wav", "validation_list.txt lists no/b_nohash_0.wav, but"),
    ("speech-commands:{}?split=dev", None, "split=train, validation, test, not 'dev'"),
    ("speech-commands:{}/none", None, "none holds no clip"),
    ("fsdd:{}/none", None, "none holds no clip"),
    ("fsdd:{}?split=dev", None, "split=train and split=test, not 'dev'"),
])  # fmt: skip
def test_damages_are_named(commands, spec, damage, message):
    if damage:
        (commands / damage).unlink()
    with pytest.raises(DataError, match=message):
        load_datasets([spec.format(commands)])
