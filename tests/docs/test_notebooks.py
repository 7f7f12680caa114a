"""The notebooks: they run, and their pages show what they printed. The build of the site runs them."""

import html
import json
import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "docs" / "build"))

import nbformat  # noqa: E402
from run_notebooks import NOTEBOOKS, ORDER, run_notebook, to_markdown  # noqa: E402

# name -> what its page shows, in this order
EXPECTED = {
    "first_transcription": ["<audio", "onclick", "sufficiently", "00:00:00", "text-decoration:underline"],
    "own_words": ["heard as", "loss:", "heard as sufficiently", "mine.keras"],
    "look_inside": ["Egyptian cat", "ActivationMaps", "Saliency", "ReceptiveField", "(13, 13, 512) (512,)"],
    "dilation": ["1 2 4 8", "2048 samples, 128 ms", "<audio", "<audio"],
    "build_recipe": ["logits after the end of sequence 1 are not 0", "1920 samples, 320 samples between two frames"],
}


@pytest.mark.parametrize("name", ORDER)
def test_pages_show_the_outputs(name, site_dir):
    page = html.unescape((site_dir / "recipes" / "notebooks" / name / "index.html").read_text("utf-8"))
    position = 0
    for text in EXPECTED[name]:
        position = page.find(text, position) + len(text)
        assert position >= len(text), f"{text!r} is missing, or out of order"
    assert "Traceback" not in page and "Warning" not in page


def test_fine_tuning_lowers_the_loss(site_dir):
    page = (site_dir / "recipes" / "notebooks" / "own_words" / "index.html").read_text("utf-8")
    losses = [float(v) for v in re.search(r"loss: ([\d., ]+)<", page)[1].split(", ")]
    assert len(losses) == 6 and losses[-1] < 0.5 * losses[0]


def test_all_notebooks_have_a_page_and_are_stored_without_outputs():
    paths = sorted(NOTEBOOKS.glob("*.ipynb"))
    assert sorted(ORDER) == [path.stem for path in paths]
    for path in paths:
        notebook = json.loads(path.read_text("utf-8"))
        nbformat.validate(nbformat.from_dict(notebook))
        assert not any(cell.get("outputs") or cell.get("execution_count") for cell in notebook["cells"]), path


def test_an_error_in_a_cell_ends_the_build(tmp_path):
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("1 / 0")])
    nbformat.write(notebook, tmp_path / "bad.ipynb")
    with pytest.raises(Exception, match="ZeroDivisionError"):
        run_notebook(tmp_path / "bad.ipynb")


def test_outputs_are_text_where_they_are_no_html():
    stream, silent = (nbformat.v4.new_output("stream", name=name, text="<b>\n\n\x1b[1mx") for name in ("stdout", "stderr"))
    shown = nbformat.v4.new_output("execute_result", {"text/html": "<div>\n\n<p>y</p></div>", "text/plain": "no"})
    plain = nbformat.v4.new_output("execute_result", {"text/plain": "<i>z</i>"})
    cell = nbformat.v4.new_code_cell("code", outputs=[stream, silent, shown, plain])
    page = to_markdown(nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell("# Title\n\nText"), cell]), "name")
    assert page.startswith("# Title\n\nThis page is `examples/notebooks/name.ipynb`") and "```python\ncode\n```" in page
    assert '<pre class="output">&lt;b&gt;\n \nx</pre>' in page and page.count("&lt;b&gt;") == 1
    assert '<div class="output"><div>  <p>y</p></div></div>' in page and "&lt;i&gt;z&lt;/i&gt;" in page and ">no<" not in page


def test_words_light_up_while_the_clip_plays(browser, site_url):
    """A click on a word plays from its time, and the word gets a background."""
    page = browser.new_page()
    page.goto(f"{site_url}recipes/notebooks/first_transcription/")
    word = page.locator("[data-start]").nth(2)
    start = float(word.get_attribute("data-start"))
    word.click()
    page.wait_for_function("[...document.querySelectorAll('[data-start]')].some(w => w.style.background)")
    lit, now = page.evaluate(
        "() => [[...document.querySelectorAll('[data-start]')].filter(w => w.style.background).map(w => +w.dataset.start),"
        " document.querySelector('audio').currentTime]"
    )
    assert len(lit) == 1 and start <= lit[0] <= now + 0.3
    page.close()
