"""Tables, transcripts and texts as people bring them: other encodings, wrong cells, damaged files."""

import gzip
import json
import shutil

import pytest

from kerasrecipes import data
from kerasrecipes.audio import audio_duration
from kerasrecipes.cli.main import main
from kerasrecipes.data.images import mnist
from kerasrecipes.data.phone_alignments import read_labels
from kerasrecipes.data.segmentation_masks import camvid
from kerasrecipes.data.text import read_text_file
from kerasrecipes.decoding import ngram_lm
from kerasrecipes.errors import DataError, KerasRecipesError, convert_errors, reader

ARPA = "\\data\\\nngram 1=4\n\n\\1-grams:\n-1\t<unk>\n-1\t<s>\t-0.3\n-1\t</s>\n-1\tcaf\u00e9\t-0.3\n\n\\end\\\n"
GZIPPED = gzip.compress("".join(f"line {i * i}\n" for i in range(9999)).encode())


@pytest.fixture
def folder(tmp_path, clips):
    for name in ("a.mp3", "b.mp3", "wavs/LJ1.wav", "wavs/LJ2.mp3"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(next(clips.rglob("84-*.mp3")), tmp_path / name)
    return tmp_path


def texts(path, content):
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return [u.text for u in data.from_table(path)]


def test_tables_are_read_in_every_writing(folder):
    rows = [{"path": "a.mp3", "text": "h\u00e9"}, {"path": "b.mp3", "text": "ho"}]
    assert texts(folder / "array.json", json.dumps(rows)) == ["h\u00e9", "ho"]
    assert texts(folder / "indented.json", json.dumps(rows, indent=1)) == ["h\u00e9", "ho"]
    csv = 'file_name,text\r\na.mp3,h\u00e9\r\nb.mp3,"ho, ho\nho"\r\n'
    for encoding in ("utf-8", "utf-8-sig", "utf-16"):
        assert texts(folder / "t.csv", csv.encode(encoding)) == ["h\u00e9", "ho, ho\nho"]
    assert texts(folder / "metadata.csv", "LJ1|One 1|one one\n\nLJ2.mp3|Two|\n") == ["one one", "Two"]
    assert texts(folder / "metadata.csv", "LJ1|one\nLJ2.mp3|two\n") == ["one", "two"]
    (folder / "wavs" / "LJ3.m4a").write_bytes(b"x")
    assert texts(folder / "metadata.csv", "LJ1|one\nLJ3.m4a|three\n") == ["one", "three"]


@pytest.mark.parametrize(("name", "content", "message"), [
    ("t.csv", "path,text\na.mp3,Hello, you\n", "line 2 has more cells than the header"),
    ("t.csv", 'path,text\na.mp3,"hello\nb.mp3,bye\n', "unexpected end of data"),
    ("t.csv", 'path,text\na.mp3,"hello\nb.mp3,bye"\n', "quote that begins at line 2 takes the lines below"),
    ("t.csv", 'path,text\na.m4a,"hello\nb.m4a,bye"\n', "quote that begins at line 2 takes the lines below"),
    ("t.csv", 'path,text\na.mp3,"hello\nb.mp3,"bye"\n', "not a table of clips"),
    ("t.csv", "path,text\na.mp3,h\u00e9\n".encode("latin-1"), "not UTF-8 text: line 2 holds the byte 0xe9"),
    ("t.csv", "path,text\na.mp3,he\n".encode("utf-16-le"), "zero byte"),
    ("t.json", '["a.mp3", "hello"]', 'row 1 is "a.mp3"'),
    ("t.jsonl", '["a.mp3", "hello"]\n["b.mp3", "bye"]', "Extra data"),
    ("t.jsonl", '{"path": "a.mp3", "text": "hello"}\n{"path": "b', "Unterminated string"),
    ("metadata.csv", "LJ1|one\nLJ2|two|too|many\n", "line 2 has 4 columns"),
    ("t.tsv", "path\ttext\tseconds\na.mp3\thello\t4,29\n", "row 1: seconds is '4,29'"),
    ("t.tsv", "path\ttext\tduration\na.mp3\thello\tn/a\n", "row 1: duration is 'n/a'"),
    ("t.tsv", "path\ttext\tduration\na.mp3\thello\tnan\n", "row 1: duration is 'nan'"),
    ("t.tsv", "path\ttext\tduration\na.mp3\thello\t-3\n", "row 1: duration is '-3'"),
    ("t.tsv", "path\ttext\tlength\na.mp3\thello\t68640\n", "says that a.mp3 lasts 68640 s"),
])  # fmt: skip
def test_a_wrong_table_names_the_row(folder, name, content, message):
    with pytest.raises(DataError, match=message) as caught:
        texts(folder / name, content)
    assert str(folder / name) in str(caught.value)


def test_lengths_in_milliseconds_become_seconds(folder):
    seconds = audio_duration(folder / "a.mp3")
    rows = "".join(f"{name}\thello\t{1000 * seconds:.0f}\n" for name in ("a.mp3", "b.mp3"))
    (folder / "t.tsv").write_text(f"path\ttext\tduration\n{rows}")
    assert [u.seconds for u in data.from_table(folder / "t.tsv")] == pytest.approx([seconds] * 2, abs=0.001)
    (folder / "t.tsv").write_text(f"path\ttext\tduration\na.mp3\thello\t\nb.mp3\thello\t{seconds:.2f}\n")
    assert [u.seconds for u in data.from_table(folder / "t.tsv")] == pytest.approx([0, seconds], abs=0.01)


def test_encodings_of_librispeech_transcripts(tmp_path, clips):
    root = shutil.copytree(clips, tmp_path / "dev-mini")
    table = root / "84" / "121123" / "84-121123.trans.txt"
    transcripts, text = [u.text for u in data.librispeech(clips)], table.read_text("utf-8")
    for encoding in ("utf-8-sig", "utf-16"):
        table.write_bytes(text.encode(encoding))
        assert [u.text for u in data.librispeech(root)] == transcripts
    table.write_bytes(f"{text.rstrip()} CAF\u00c9\n".encode("latin-1"))
    with pytest.raises(DataError, match=r"84-121123\.trans\.txt is not UTF-8 text: line \d+ holds the byte 0xc9"):
        data.librispeech(root)


def test_the_line_of_a_wrong_byte_is_exact(tmp_path):
    lines = [f"line {i} ".encode() * 5 for i in range(2000)]
    lines[1500] += b"\xe9"
    (tmp_path / "long.txt").write_bytes(b"\n".join(lines))
    with pytest.raises(DataError, match="line 1501 holds the byte 0xe9"):
        read_text_file(tmp_path / "long.txt")


@pytest.mark.parametrize(("read", "name", "content"), [
    (read_text_file, "t.txt.gz", GZIPPED[:9999]),
    (read_text_file, "t.txt.gz", GZIPPED[:5000] + b"damaged" + GZIPPED[5000:]),
    (read_text_file, "t.txt.xz", b"\xfd7zXZ\0damaged"),
    (read_labels, "labels.tsv.gz", GZIPPED[:9999]),
    (ngram_lm.read_vocabulary, "lm.arpa", ARPA.encode("latin-1")),
    (ngram_lm.read_vocabulary, "lm.arpa.gz", gzip.compress(ARPA.encode(), mtime=0)[:-30]),
    (ngram_lm.read_vocabulary, "lm.arpa.gz", gzip.compress(ARPA.encode("latin-1"), mtime=0)),
    (lambda path: mnist(path, "train"), "mnist.npz", b"PK no archive"),
    (camvid, "camvid.npz", b"no archive"),
])  # fmt: skip
def test_a_damaged_file_is_an_error_with_its_name(tmp_path, read, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=name):
        read(tmp_path / name)


def test_a_language_model_in_any_compression_and_with_a_mark(tmp_path):
    (tmp_path / "model").write_bytes(gzip.compress(ARPA.encode()))
    assert ngram_lm.read_vocabulary(tmp_path / "model") == ["caf\u00e9"]
    (tmp_path / "marked.arpa").write_bytes(ARPA.encode("utf-8-sig"))
    assert ngram_lm.read_vocabulary(tmp_path / "marked.arpa") == ["caf\u00e9"]


def test_readers_convert_what_fails_inside_and_nothing_else():
    @reader(DataError)
    def read(path, key=None):
        return {"a": 1}[key]

    assert read("x.txt", "a") == 1
    with pytest.raises(DataError, match=r"x\.txt cannot be read \(KeyError: 'b'\)"):
        read(path="x.txt", key="b")
    with pytest.raises(TypeError, match="kay"):
        read("x.txt", kay="b")
    with pytest.raises(KerasRecipesError, match="^as it is$"), convert_errors(DataError, "x.txt"):
        raise KerasRecipesError("as it is")
    with pytest.raises(KeyboardInterrupt), convert_errors(DataError, "x.txt"):
        raise KeyboardInterrupt


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "cp1252"])
def test_texts_to_align_in_three_encodings(tmp_path, clips, capsys, encoding):
    clip, text = str(next(clips.rglob("84-*.mp3"))), "but with full ravishment the hours of prime caf\u00e9"
    (tmp_path / "text.txt").write_bytes(text.encode(encoding))
    options = ["--recipe", "deepspeech2_streaming_small", "--engine", "onnxruntime", "--format", "words"]
    code = main(["align", clip, str(tmp_path / "text.txt"), *options])
    printed = capsys.readouterr()
    if encoding == "cp1252":
        assert code == 1 and "text.txt is not UTF-8 text: line 1 holds the byte 0xe9" in printed.err
    else:
        assert code == 0 and printed.out.split()[-1] == "caf\u00e9" and "\ufeff" not in printed.out
