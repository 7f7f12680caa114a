"""Results are printed as they come, whatever the output's encoding can write."""

import io
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from kerasrecipes.cli import transcribe
from kerasrecipes.cli.main import main

needs_byte_names = pytest.mark.skipif(sys.platform != "linux", reason="names of other systems are Unicode")


class Output:
    """Standard output in an encoding; `text` decodes what was written."""

    def __init__(self, monkeypatch, encoding):
        self.bytes, self.encoding = io.BytesIO(), encoding
        monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(self.bytes, encoding=encoding))

    @property
    def text(self):
        return self.bytes.getvalue().decode(self.encoding)


@pytest.mark.parametrize(("encoding", "phone"), [("cp1252", "\\u028a"), ("ascii", "\\u028a"), ("utf-8", "\u028a")])
def test_phonemes_in_ipa(clips, monkeypatch, encoding, phone):
    output = Output(monkeypatch, encoding)
    clip = str(next(clips.rglob("*.mp3")))
    assert main(["transcribe", clip, "--recipe", "palaz_raw_small", "--ipa", "--format", "text"]) == 0
    assert phone in output.text


@pytest.mark.parametrize("encoding", ["cp1252", "ascii", "utf-8"])
@needs_byte_names
def test_names_in_other_scripts_lose_no_result(tmp_path, monkeypatch, encoding):
    pixels = Image.fromarray(np.full((28, 28), 200, "uint8"))
    names = [b"plain", "\u03b1\u03b2\u03b3".encode(), "\u5199\u771f".encode(), b"caf\xe9"]
    paths = [os.fsdecode(os.path.join(os.fsencode(tmp_path), name + b".png")) for name in names]
    for path in paths:
        pixels.save(path)
    output = Output(monkeypatch, encoding)
    assert main(["classify", *paths, "--recipe", "convnetjs_mnist", "--top", "1"]) == 0
    lines = output.text.splitlines()
    assert len(lines) == 4 and "caf\\udce9.png" in lines[3]
    assert ("\\u5199\\u771f" in lines[2]) == (encoding != "utf-8") == ("\\u03b1" in lines[1])


@needs_byte_names
def test_the_command_in_a_process_of_its_own(clips, tmp_path):
    for name in ("\u5199\u771f.mp3", "plain.mp3"):
        shutil.copy(next(clips.rglob("*.mp3")), tmp_path / name)
    result = subprocess.run(
        [sys.executable, "-m", "kerasrecipes", "transcribe", str(tmp_path), "--decoder", "greedy"], capture_output=True,
        env={**os.environ, "PYTHONIOENCODING": "cp1252"},
    )  # fmt: skip
    first, second = result.stdout.decode("cp1252").splitlines()
    assert result.returncode == 0 and first.split("\t")[1] == second.split("\t")[1] and "\\u5199" in second


def test_results_are_printed_before_the_next_step(clips, monkeypatch):
    paths = sorted(map(str, clips.rglob("*.mp3")))
    output, transcribed = Output(monkeypatch, "utf-8"), []
    load_model = transcribe.options.load_model

    def load(*arguments):
        model = load_model(*arguments)
        transcribe = model.transcribe

        def stop_at_the_second_step(step, **options):
            transcribed.append(output.text)
            if len(transcribed) == 2:
                raise MemoryError
            return transcribe(step, **options)

        model.transcribe = stop_at_the_second_step
        return model

    monkeypatch.setattr(transcribe.options, "load_model", load)
    monkeypatch.setattr(transcribe, "FILES_PER_STEP", 3)
    with pytest.raises(MemoryError):
        main(["transcribe", *paths, "--decoder", "greedy"])
    assert len(paths) > 3 and transcribed[0] == "" and len(transcribed[1].splitlines()) == 3


def test_steps_give_the_transcripts_of_one_list(clips, monkeypatch):
    paths, texts = sorted(map(str, clips.rglob("*.mp3"))), []
    for step in (64, 1, 3):
        monkeypatch.setattr(transcribe, "FILES_PER_STEP", step)
        output = Output(monkeypatch, "utf-8")
        assert main(["transcribe", *paths, "missing.wav", "--decoder", "greedy"]) == 1
        texts.append(output.text)
    assert len(texts[0].splitlines()) == len(paths) and texts == texts[:1] * 3


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "cp1252"])
def test_align_reads_texts_as_editors_write_them(clips, tmp_path, capsys, encoding):
    clip, text = next(clips.rglob("84-*.mp3")), tmp_path / "text.txt"
    transcript = next(clips.rglob("84-*.trans.txt")).read_text("utf-8").splitlines()[0].partition(" ")[2]
    text.write_bytes(f"\u201c{transcript}\u201d\r\n".encode(encoding))
    code = main(["align", str(clip), str(text)])
    captured = capsys.readouterr()
    if encoding == "cp1252":
        assert code == 1 and "text.txt is not UTF-8 text: line 1 holds the byte 0x93" in captured.err
    else:
        assert code == 0 and captured.out.splitlines()[0] == f"\u201c{transcript}\u201d"
