"""Text of books for a language model: license, sentences, and books that evaluation text was read from."""

import lzma
import os
import subprocess
import sys
from pathlib import Path

TOOL = Path(__file__).parents[2] / "tools" / "clean_books.py"
HEADER = "The Project Gutenberg EBook of X\n\nTitle: X\n\nLanguage: {}\n\n*** START OF THIS PROJECT GUTENBERG EBOOK X ***\n\n"
TRAILER = "\n\nEnd of the Project Gutenberg EBook of X\n\n*** END OF THIS PROJECT GUTENBERG EBOOK X ***\n\nFull license of the text.\n"
FILLER = "He said that it was the end of the road and that he had to go to his house in the rain. "
READ_ALOUD = "Seven grey geese went over the frozen marsh at dawn while nobody watched from the mill of the old town."


def write_book(path: Path, text: str, language: str = "English", encoding: str = "utf-8") -> None:
    filler = "\n\n".join(f"{word} {FILLER}" for word in (f"{chr(97 + i // 26)}{chr(97 + i % 26)}x" for i in range(120)))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes((HEADER.format(language) + text + "\n\n" + filler + TRAILER).encode(encoding))


def test_books_become_sentences(tmp_path):
    books = tmp_path / "books"
    first = (
        "CHAPTER I\n\nMr. Brown came in; “Where is Mrs. Brown?”\nhe asked--softly. [Illustration: a door] It was a café.\n\n"
        "He paid 20 pounds for it. 'Tis the dog's own fault!"
    )
    write_book(books / "a" / "one.txt", first)
    write_book(books / "b" / "again.txt", first)  # a collected edition
    write_book(books / "two.txt", "Cosa è stato?", language="Italian")
    write_book(books / "latin.txt", "The naïve man said so.", encoding="cp1252")
    write_book(books / "read.txt", READ_ALOUD + " " + READ_ALOUD.replace("Seven", "Nine"))
    (books / "owned.txt").write_text("This is a COPYRIGHTED Project Gutenberg eBook.\n\n" + FILLER * 200)
    (tmp_path / "read_aloud.txt").write_text(READ_ALOUD + "\n")
    output = tmp_path / "books.txt.xz"
    command = [sys.executable, TOOL, books, "--output", output, "--exclude", f"text:{tmp_path}/read_aloud.txt"]
    run = subprocess.run(command, env=dict(os.environ, TF_CPP_MIN_LOG_LEVEL="3"), capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    sentences = lzma.open(output, "rt").read().splitlines()
    assert sentences[:6] == [
        "mister brown came in", "where is missus brown", "he asked softly", "it was a cafe", "'tis the dog's own fault",
        "aax he said that it was the end of the road and that he had to go to his house in the rain",
    ]  # fmt: skip
    assert sum(s.startswith("aax") for s in sentences) == 1 and sentences.count("it was a cafe") == 2
    assert "the naive man said so" in sentences
    assert not any("gutenberg" in s or "license" in s or "geese" in s or "cosa" in s for s in sentences)
    assert "left out, 14 runs in evaluation text: read.txt" in run.stderr and "(1 left out for shared text)" in run.stdout
    assert not list(tmp_path.glob("*.partial"))
