"""What type checkers, editors and `help` see of the package."""

import importlib.util
import inspect
import pydoc
import re
import subprocess
import sys
from dataclasses import fields

import pytest
from paths import ROOT

import kerasrecipes as kr
from kerasrecipes.decoding import DecodingOptions
from kerasrecipes.inference import transcribe as transcribe_module
from kerasrecipes.inference.phoneme_recognition import PhonemeRecognitionMixin
from kerasrecipes.inference.speech_recognition import SpeechRecognitionMixin

SAMPLE = """
import kerasrecipes as kr
from pathlib import Path

speech = kr.load("deepspeech2_small", dropout=0.1)
reveal_type(speech)
reveal_type(speech.transcribe("talk.flac", decoder="greedy").words[0].start)
reveal_type(speech.transcribe(["a.wav", "b.wav"]))
speech.transcribe("talk.flac", decodr="greedy")
reveal_type(kr.load("squeezenet", classes=3).classify("cat.png").name)
reveal_type(kr.load("dilated_camvid_small").segment(["street.png"]))
reveal_type(kr.load("palaz_raw_small"))
reveal_type(kr.load("wavenet_small").generate(1.0))
reveal_type(kr.load("bvlc_caffenet"))
reveal_type(kr.load("char_rnn_small").generate(["a"]))
reveal_type(kr.load("deepspeech2_small", engine="onnxruntime"))
reveal_type(kr.load(Path("mine.keras")))
reveal_type(kr.data.from_table("a.tsv"))
reveal_type(kr.visualize.Unit)
"""
REVEALED = [
    "SpeechRecognizer", "float", "list[Transcript | AudioError]", 'keyword argument "decodr"', "str",
    "list[Segmentation | ImageError]", "PhonemeRecognizer", "AudioClip", "ImageClassifier", "list[GeneratedText]",
    "EngineSpeechRecognizer", "Any", "Utterances", "-> Unit",
]  # fmt: skip


def test_stubs_are_those_of_the_script():
    spec = importlib.util.spec_from_file_location("write_stubs", ROOT / "tools" / "write_stubs.py")
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    for path, text in script.stubs().items():
        assert path.read_text("utf-8") == text, f"{path} is out of date: python tools/write_stubs.py"
    assert set(script.stubs()) == set((ROOT / "kerasrecipes").rglob("*.pyi")) and (ROOT / "kerasrecipes" / "py.typed").exists()


@pytest.mark.slow
def test_mypy_knows_models_and_results(tmp_path):
    """The sample is checked outside the repository, as a user's code is: there mypy reads only packages with `py.typed`."""
    (tmp_path / "sample.py").write_text(SAMPLE)
    command = [sys.executable, "-m", "mypy", "--ignore-missing-imports", "--cache-dir", str(tmp_path / "cache"), "sample.py"]
    output = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False).stdout
    lines = [line for line in output.splitlines() if "Revealed type" in line or "Unexpected keyword" in line]
    for expected, line in zip(REVEALED, lines, strict=True):
        assert expected in re.sub(r"\b(\w+\.)+(?=[a-zA-Z])", "", line), line  # types by their last names


def test_editors_complete_models():
    """Jedi reads no literals, so it offers the methods of all tasks."""
    jedi = pytest.importorskip("jedi")
    project = jedi.Project(ROOT)
    environment = jedi.create_environment(sys.prefix, safe=False)

    def script(line):
        return jedi.Script(f"import kerasrecipes as kr\n{line}", project=project, environment=environment)

    names = {c.name for c in script('model = kr.load("deepspeech2_small")\nmodel.').complete()}
    assert {"transcribe", "align", "stream", "classify", "segment", "predict_logits"} <= names
    assert {"SpeechRecognizer", "load_audio", "data"} <= {c.name for c in script("kr.").complete()}
    signatures = script("kr.load(").get_signatures()
    assert any(s.params[0].to_string().startswith("name: _ImageClassification") for s in signatures)
    (keywords,) = {
        tuple(p.name for p in s.params)
        for s in script('kr.SpeechRecognizer("deepspeech2_small").transcribe(').get_signatures()
    }
    assert {"decoder", "hotwords", "language_model", "progress"} <= set(keywords)
    assert "words" in {c.name for c in script('kr.SpeechRecognizer("x").transcribe("a").').complete()}


def test_transcribe_spells_out_its_keywords():
    """Names and defaults are those of the function and of the decoding options that it passes them to."""
    function = inspect.signature(transcribe_module.transcribe).parameters
    expected = {name: p.default for name, p in list(function.items())[2:] if p.kind is not p.VAR_KEYWORD}
    expected |= {f.name: f.default for f in fields(DecodingOptions)}
    method = inspect.signature(SpeechRecognitionMixin.transcribe).parameters
    assert {name: p.default for name, p in list(method.items())[2:]} == expected
    documented = SpeechRecognitionMixin.transcribe.__doc__
    assert all(f"            {name}: " in documented for name in expected)


def test_transcribe_passes_every_keyword_on(monkeypatch):
    calls = []
    for module in ("speech_recognition", "phoneme_recognition"):
        monkeypatch.setattr(f"kerasrecipes.inference.{module}.run_transcribe", lambda *args, **options: calls.append(options))
    model = SpeechRecognitionMixin()
    names = list(inspect.signature(SpeechRecognitionMixin.transcribe).parameters)[3:]
    model.transcribe("a.wav", **{name: name for name in names})
    assert calls[0] == {name: name for name in names}
    phones = PhonemeRecognitionMixin()
    phones.batch_limits = {"batch_seconds": 12.0, "chunk_threshold_seconds": 30.0}
    phones.transcribe("a.wav", decoder="crf", chunk_threshold_seconds=5.0, language_model="x")
    assert calls[1]["batch_seconds"] == 12.0 and calls[1]["chunk_threshold_seconds"] == 5.0
    assert calls[1]["decoder"] == "crf" and calls[1]["language_model"] == "x"


def test_dir_and_help_are_short():
    """`help` prints one screen and imports neither Keras nor a backend."""
    assert dir(kr) == kr.__all__ and not [name for name in dir(kr) if name.startswith("_")]
    assert len(pydoc.render_doc(kr).splitlines()) < 60
    program = "import pydoc, sys, kerasrecipes; pydoc.render_doc(kerasrecipes); print([m for m in sys.modules if 'keras.' in m])"
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout == "[]\n"
