"""What results show in notebooks: short texts, and HTML that is escaped and stands by itself."""

import base64
import html.parser
import io
import pickle
import re
import sys
from dataclasses import dataclass, replace

import numpy as np
import pytest
import soundfile
from PIL import Image

from kerasrecipes import Classification, Segmentation, Transcript, Word
from kerasrecipes.data_prep.summary import DatasetSummary
from kerasrecipes.graph.receptive_field import ReceptiveField
from kerasrecipes.graph.units import Unit
from kerasrecipes.inference.align import Alignment
from kerasrecipes.inference.text_generation import GeneratedText
from kerasrecipes.inference.transcribe import audio_reference
from kerasrecipes.results import AudioClip
from kerasrecipes.tasks.weight_import import ImportReport
from kerasrecipes.utils.plotting import Figure, new_figure

EVIL = "<script>alert(1)</script>"
WORDS = (Word("he", 0.1, 0.3, 0.9), Word(EVIL, 0.5, 0.9, 0.4))
TRANSCRIPT = Transcript(f"he {EVIL}", WORDS, 0.6, 1.0)
TONE = np.sin(np.arange(16000) / 5).astype("float32") / 2


class Elements(html.parser.HTMLParser):
    """Elements of a page by a browser's rules: tags with attributes, and the text."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.text, self.open = [], "", []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        self.open += [] if tag == "img" else [tag]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data

    def find(self, tag):
        return [attributes for name, attributes in self.tags if name == tag]


def content(element):
    kind, _, data = element["src"].partition(";base64,")
    return kind, base64.b64decode(data)


def segmentation(**changes):
    mask = np.zeros((60, 80), "uint8")
    mask[30:] = 1
    values = {"classes": (EVIL, "road"), "palette": np.array([[255, 0, 0], [0, 0, 255]], "uint8")} | changes
    return Segmentation(mask, confidence=np.ones((60, 80), "float32"), **values)


@dataclass(frozen=True)
class Plot(Figure):
    """A figure with an array."""

    name: str
    values: np.ndarray

    def plot(self):
        figure = new_figure(1, 1)
        figure.subplots().plot(self.values)
        return figure


@pytest.mark.parametrize("result", [
    TRANSCRIPT, replace(TRANSCRIPT, words=()), replace(TRANSCRIPT, audio=f"/{EVIL}.wav"), AudioClip(TONE, 16000),
    Alignment(TRANSCRIPT.text, WORDS, mismatched_words=WORDS[1:]), Classification((EVIL, "cat"), (0.7, 0.3)),
    segmentation(), GeneratedText(EVIL, EVIL, 2.0), Plot(EVIL, np.arange(3.0)),
], ids=lambda result: type(result).__name__)  # fmt: skip
def test_html_is_well_formed_and_escaped(result):
    elements = Elements(result._repr_html_())
    assert not elements.open and not elements.find("script") and "alert" not in str(elements.tags).replace(f"'{EVIL}", "").replace(EVIL, "")
    shows_text = not isinstance(result, AudioClip | Plot)
    assert (EVIL in elements.text) == shows_text


@pytest.mark.parametrize(("result", "text"), [
    (Transcript("word " * 1000, WORDS * 500, 0.6, 300.0), "Transcript('word word"),
    (AudioClip(TONE, 16000), "AudioClip(1.00 s at 16000 Hz)"),
    (segmentation(), "Segmentation(80 x 60: <script>"),
    (Plot("a", np.zeros((300, 400))), "Plot(name='a', values=float64[300, 400])"),
    (ReceptiveField(Unit("conv1", 3), ((1, 2),), (9,) * 300, (1,), (1,)), "ReceptiveField(unit=Unit("),
], ids=lambda value: type(value).__name__)  # fmt: skip
def test_repr_is_one_short_line(result, text):
    assert repr(result).startswith(text) and len(repr(result)) < 250 and "\n" not in repr(result)


def test_player_holds_the_audio():
    (player,) = Elements(AudioClip(TONE, 16000)._repr_html_()).find("audio")
    kind, data = content(player)
    samples, rate = soundfile.read(io.BytesIO(data))
    assert kind == "data:audio/wav" and rate == 16000 and "controls" in player
    np.testing.assert_allclose(samples, TONE, atol=1e-4)
    (player,) = Elements(AudioClip(np.tile(TONE, 40), 16000)._repr_html_()).find("audio")
    kind, data = content(player)
    assert kind == "data:audio/mpeg" and len(data) < 40 * 16000 and soundfile.info(io.BytesIO(data)).format == "MP3"
    assert "audio" not in AudioClip(np.zeros(601), 1)._repr_html_().replace("s of audio", "")


def test_words_have_times_and_light_up_with_the_audio(tmp_path):
    soundfile.write(tmp_path / "a.wav", TONE, 16000)
    for source in (tmp_path / "a.wav", str(tmp_path / "a.wav"), (TONE, 16000), (tmp_path / "a.wav").read_bytes()):
        elements = Elements(replace(TRANSCRIPT, audio=source)._repr_html_())
        (player,) = elements.find("audio")
        assert "currentTime>=w.dataset.start&&this.currentTime<w.dataset.end" in player["ontimeupdate"]
        assert len(soundfile.read(io.BytesIO(content(player)[1]))[0]) == 16000
    times = [(s["data-start"], s["data-end"]) for s in elements.find("span")]
    assert times == [("0.100", "0.300"), ("0.500", "0.900")] and "currentTime=w.start" in elements.find("p")[0]["onclick"]
    for silent in (TRANSCRIPT, replace(TRANSCRIPT, audio=tmp_path / "gone.wav"), replace(TRANSCRIPT, audio=(TONE, 16000), duration=601.0)):
        assert not Elements(silent._repr_html_()).find("audio")
    aligned = Elements(Alignment(TRANSCRIPT.text, WORDS, mismatched_words=WORDS[1:])._repr_html_())
    assert ["style" in s for s in aligned.find("span")] == [False, True]


def test_a_transcript_knows_its_audio_and_stays_as_it_was():
    assert audio_reference("a.wav") == "a.wav" and audio_reference("-") is None and audio_reference(b"RIFF") is None
    assert audio_reference(TONE, 16000) == (TONE, 16000) and audio_reference(TONE) is None
    known = replace(TRANSCRIPT, audio=(TONE, 16000))
    assert known == TRANSCRIPT and known.to_dict() == TRANSCRIPT.to_dict() and "audio" not in known.to_dict()
    assert pickle.loads(pickle.dumps(known)) == known


def test_masks_lie_over_the_image():
    photo = np.full((30, 40, 3), 100, "uint8")
    (picture,) = Elements(segmentation(thumbnail=photo)._repr_html_()).find("img")
    pixels = np.array(Image.open(io.BytesIO(content(picture)[1])))
    assert pixels.shape == (30, 40, 3)
    np.testing.assert_allclose(pixels[5, 5], [177, 50, 50], atol=1)  # half of red, half of gray 100
    np.testing.assert_allclose(pixels[25, 5], [50, 50, 177], atol=1)
    (picture,) = Elements(segmentation()._repr_html_()).find("img")
    assert np.array(Image.open(io.BytesIO(content(picture)[1])))[5, 5].tolist() == [255, 0, 0]


def test_figures_are_pictures_and_without_matplotlib_texts(monkeypatch):
    (picture,) = Elements(Plot("a", np.arange(3.0))._repr_html_()).find("img")
    assert content(picture)[1].startswith(b"\x89PNG")
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    assert Plot("a", np.arange(3.0))._repr_html_() is None


def test_tables_and_reports_are_shown_as_text():
    summary = DatasetSummary((("hours", "1.5"), ("speakers", "3")), ((EVIL, "is short"),))
    elements = Elements(summary._repr_html_())
    assert elements.text == str(summary) and not elements.find("script")
    assert repr(summary) == "DatasetSummary(hours 1.5, and 3 more lines)"
    assert repr(ImportReport("a", (), (), ())) == "ImportReport()"


def test_bars_are_the_probabilities():
    page = Classification(("cat", "dog", "kea"), (0.2, 0.7, 0.1))._repr_html_()
    widths = [float(w) for w in re.findall(r"width:([\d.]+)em;background", page)]
    assert Elements(page).text == "dog70.0 %cat20.0 %kea10.0 %" and widths == pytest.approx([5.6, 1.6, 0.8])
