"""Texts, tables and results are UTF-8 whatever the locale's encoding is."""

import json
import os
import subprocess
import sys

import pytest

SCRIPT = """
import json, sys
from pathlib import Path
from kerasrecipes.batch.job import write_shard
from kerasrecipes.data import from_table
from kerasrecipes.data_prep.summary import speaker_sexes
from kerasrecipes.data.utterances import Utterance, Utterances
from kerasrecipes.results import Transcript, Word
from kerasrecipes.utils.files import atomic_write, write_json
from kerasrecipes.utils.text_files import read_text

texts = [from_table(name)[0].text for name in ("t.tsv", "t.jsonl", "t.csv")] + [read_text("t.txt")]
sexes = speaker_sexes(Utterances([Utterance("1", "SPLIT/7/1/1.flac", "x")]))
word = "caf\\u00e9 \\u5199"
transcript = Transcript(word, (Word(word, 0.0, 1.0, 1.0),), 1.0, 1.0)
atomic_write("out.srt", transcript.to_srt())
write_json("out.json", transcript.to_dict())
class Folder:
    write = staticmethod(lambda name, data: Path(name).write_bytes(data))
write_shard(Folder, "part.jsonl", [{"text": word}])
print(json.dumps([texts, sexes, sys.flags.utf8_mode]))
"""


@pytest.mark.parametrize("locale", [
    {"LANG": "C"}, {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}, {"LC_ALL": "POSIX", "PYTHONUTF8": "0"},
], ids=["LANG=C", "LC_ALL=C", "POSIX"])  # fmt: skip
def test_files_are_utf_8_in_every_locale(tmp_path, locale):
    text = "caf\u00e9 gr\u00f6\u00dfe \u5199\u771f"
    (tmp_path / "a.wav").write_bytes(b"RIFF")
    for name, content in (
        ("t.tsv", f"path\ttext\na.wav\t{text}\n"), ("t.csv", f'path,text\na.wav,"{text}"\n'),
        ("t.jsonl", json.dumps({"path": "a.wav", "text": text}, ensure_ascii=False) + "\n"), ("t.txt", text),
        ("SPEAKERS.TXT", ";ID |SEX\n7 | F | Ren\u00e9e\n"),
    ):  # fmt: skip
        (tmp_path / name).write_text(content, "utf-8")
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("LC_", "LANG", "PYTHON"))} | locale
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], capture_output=True, cwd=tmp_path, env=environment, encoding="utf-8"
    )
    assert not done.returncode, done.stderr
    texts, sexes, utf8_mode = json.loads(done.stdout)
    assert [t.strip() for t in texts] == [text] * 4 and sexes == {"7": "F"}
    assert utf8_mode or locale.get("PYTHONUTF8") == "0"
    assert "caf\u00e9 \u5199" in (tmp_path / "out.srt").read_text("utf-8")
    for name in ("out.json", "part.jsonl"):
        assert json.loads((tmp_path / name).read_text("utf-8"))["text"] == "caf\u00e9 \u5199"


def test_what_the_command_prints(tmp_path):
    (tmp_path / "a.png").write_bytes(b"no image")
    (tmp_path / "a.png").rename(tmp_path / "caf\u00e9.png")
    environment = {**os.environ, "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    done = subprocess.run(
        [sys.executable, "-m", "kerasrecipes", "classify", "caf\u00e9.png", "--recipe", "convnetjs_mnist", "--engine", "onnxruntime"],
        capture_output=True, cwd=tmp_path, env=environment,
    )  # fmt: skip
    assert done.returncode == 1 and b"Traceback" not in done.stderr and b"cannot be read" in done.stderr
