"""Language models in upper case serve alphabets in lower case."""

import gzip
from types import SimpleNamespace

import numpy as np
import pytest

from kerasrecipes.decoding import Alphabet, ngram_lm
from kerasrecipes.decoding.decoders import make_decoder
from kerasrecipes.decoding.lexicon_beam_search import lexicon_words
from kerasrecipes.decoding.options import DecodingOptions
from kerasrecipes.errors import DataError

ARPA = """\\data\\
ngram 1=6
ngram 2=2

\\1-grams:
-1.5\t<unk>
-99\t<s>\t-0.3
-1.0\t</s>
-1.0\tCAB\t-0.2
-1.2\tCABB\t-0.2
-1.4\tI'D\t-0.2

\\2-grams:
-0.1\t<s> CABB
-0.9\tCABB CAB

\\end\\
"""
LETTERS = Alphabet(" 'abcdi")


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("KERASRECIPES_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.mark.parametrize("name", ["upper.arpa", "upper.arpa.gz", "marked.arpa"])
def test_upper_case_is_copied_in_lower_case_once(tmp_path, cache, name):
    kenlm = pytest.importorskip("kenlm")
    path = tmp_path / name
    content = ARPA.replace("<unk>", "<UNK>").encode("utf-8-sig" if name.startswith("marked") else "utf-8")
    path.write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    copy = ngram_lm.ngram_path(path, LETTERS)
    assert ngram_lm.read_vocabulary(copy) == ["cab", "cabb", "i'd"] and copy.parent.parent == cache
    modified = copy.stat().st_mtime_ns
    assert ngram_lm.ngram_path(path, LETTERS) == copy and copy.stat().st_mtime_ns == modified
    (tmp_path / "plain.arpa").write_text(ARPA)
    for text in ("cabb cab", "i'd cab cab", "abc"):
        assert kenlm.Model(str(copy)).score(text) == kenlm.Model(str(tmp_path / "plain.arpa")).score(text.upper())
    path.write_bytes(content.replace(b"I'D", b"A'D"))
    assert ngram_lm.read_vocabulary(ngram_lm.ngram_path(path, LETTERS)) == ["cab", "cabb", "a'd"]


@pytest.mark.parametrize("symbols", [" ABC'DI", " abcABC'dDiI"])
def test_an_alphabet_with_upper_case_keeps_the_file(tmp_path, cache, symbols):
    path = tmp_path / "upper.arpa"
    path.write_text(ARPA)
    assert ngram_lm.ngram_path(path, Alphabet(symbols)) == path == ngram_lm.ngram_path(path)
    path.write_text(ARPA.replace("CABB", "cabb"))
    assert ngram_lm.ngram_path(path, LETTERS) == path and not cache.exists()


@pytest.mark.parametrize(("decoder", "package"), [("beam", "ctc_beam_decoder"), ("lexicon", "flashlight")])
def test_both_searches_read_it(tmp_path, cache, decoder, package):
    pytest.importorskip(package)
    pytest.importorskip("kenlm")
    from kerasrecipes.decoding.criteria import CRITERIA

    paths = tmp_path / "upper.arpa", tmp_path / "lower.arpa"
    paths[0].write_text(ARPA)
    paths[1].write_text(ARPA.lower())
    logits = np.random.default_rng(0).normal(size=(12, LETTERS.vocab_size)).astype("float32")
    texts = []
    for path in paths:
        model = SimpleNamespace(name="tiny", alphabet=LETTERS, criterion=CRITERIA["ctc"](), decoder_settings=None)
        decode = make_decoder(model, DecodingOptions(decoder=decoder, language_model=str(path)))
        texts.append(decode(logits, frame_seconds=0.02).text)
    assert texts[0] == texts[1] and texts[0]


@pytest.mark.parametrize(
    "content", [ARPA.replace("CAB", "CAF\u00c9").encode("latin-1"), gzip.compress(ARPA.encode(), mtime=0)[:40]]
)
def test_damaged_files_are_named(tmp_path, cache, content):
    (tmp_path / "damaged.arpa").write_bytes(content)
    with pytest.raises(DataError, match=r"damaged\.arpa"):
        ngram_lm.ngram_path(tmp_path / "damaged.arpa", LETTERS)


def write_model(path, words):
    """Write a file whose words can be read: an ARPA file, or what a KenLM binary holds of its words."""
    if path.suffix == ".arpa":
        path.write_text(
            "\\data\\\nngram 1=9\n\n\\1-grams:\n" + "".join(f"-1\t{word}\n" for word in words) + "\n\\end\\\n"
        )
    else:
        path.write_bytes(ngram_lm.KENLM_MAGIC + b"\0" + "".join(f"{w}\0" for w in ("<unk>", "<s>", *words)).encode())
    return path


@pytest.mark.parametrize(("name", "words", "symbols", "message"), [
    ("m.kenlm", ["CAB", "DAB", "BAD"], " abcd", "write its ARPA file in lower case .*build_binary lower.arpa"),
    ("m.kenlm", ["'", *["CAB", "DAB", "BAD"] * 9], " 'abcd", "write its ARPA file in lower case"),
    ("m.arpa", ["Cab", "Dab", "Bad"], " abcd", "write its ARPA file in lower case"),
    ("m.arpa", ["cab", "dab", "bad"], " ABCD", "write its ARPA file in upper case"),
    ("m.kenlm", ["\u0434\u0430"], " abcd", "is it the model of another language"),
])  # fmt: skip
@pytest.mark.parametrize("hotwords", [(), ("cab", "CAB")])
def test_words_in_another_case_are_an_error_with_the_remedy(tmp_path, name, words, symbols, message, hotwords):
    path = write_model(tmp_path / name, words)
    with pytest.raises(DataError, match=message):
        lexicon_words(path, Alphabet(symbols), hotwords)


def test_words_of_both_cases_are_read(tmp_path):
    path = write_model(tmp_path / "m.kenlm", ["cab", "CAB", "BAD"])
    assert lexicon_words(path, Alphabet(" abcd"), ("dab", "DAB")) == ["cab", "dab"]
