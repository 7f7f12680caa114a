"""The built site: complete, self-contained, readable, and every measured number on it."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urldefrag, urlsplit

import pytest
from conftest import ROOT

from kerasrecipes.hub import catalog, manifest
from kerasrecipes.release import model_card

FETCHED = {  # attributes that a browser fetches without being asked
    "script": ("src",), "img": ("src", "srcset"), "iframe": ("src",), "audio": ("src",), "video": ("src", "poster"),
    "source": ("src", "srcset"), "embed": ("src",), "object": ("data",), "use": ("href",), "image": ("href",), "input": ("src",),
    "track": ("src",),
}  # fmt: skip
LINKS = ("stylesheet", "icon", "preload", "prefetch", "modulepreload", "preconnect", "dns-prefetch", "manifest")


class Page(HTMLParser):
    """References of a page, its anchors and its visible text."""

    def __init__(self, path: Path):
        super().__init__()
        self.fetched: list[str] = []
        self.linked: list[str] = []
        self.ids: set[str] = set()
        self.styles: list[str] = []
        self.words: list[str] = []
        self.tag = ""
        self.feed(path.read_text("utf-8"))

    def handle_starttag(self, tag, attributes):
        self.tag = tag
        values = {k: v for k, v in attributes if v is not None}
        self.ids |= {values[k] for k in ("id", "name") if k in values}
        self.styles.append(values.get("style", ""))
        for name in FETCHED.get(tag, ()):
            if name in values:
                self.fetched += (
                    [part.split()[0] for part in values[name].split(",")] if name == "srcset" else [values[name]]
                )
        if tag == "link" and set(values.get("rel", "").split()) & set(LINKS):
            self.fetched.append(values.get("href", ""))
        elif tag == "a" and "href" in values:
            self.linked.append(values["href"])

    def handle_data(self, data):
        if self.tag == "style":
            self.styles.append(data)
        elif self.tag != "script":
            self.words.append(data)

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", "".join(self.words))


@pytest.fixture(scope="module")
def pages(site_dir) -> dict[str, Page]:
    """Path below the site -> page."""
    return {p.relative_to(site_dir).as_posix(): Page(p) for p in site_dir.rglob("*.html")}


def outside(reference: str) -> bool:
    return bool(re.match(r"(https?:)?//", reference.strip()))


def test_no_page_fetches_from_elsewhere(pages, site_dir) -> None:
    found = [(name, ref) for name, page in pages.items() for ref in page.fetched if outside(ref)]
    for name, page in pages.items():
        found += [(name, s) for s in page.styles if re.search(r"(url\(|@import)\s*['\"]?(https?:)?//", s)]
    for path in site_dir.rglob("*.css"):
        text = path.read_text("utf-8")
        found += [
            (path.name, m.group()) for m in re.finditer(r"(url\(|@import)\s*['\"]?(https?:)?//[^)\s]{0,60}", text)
        ]
    assert not found


def test_every_reference_inside_resolves_below_a_path(pages, site_dir) -> None:
    """Raw HTML included, which mkdocs does not check; nothing begins at the host's root."""
    missing = []
    for name, page in pages.items():
        base = (site_dir / name).parent
        for reference in page.fetched + page.linked:
            parts = urlsplit(reference)
            if parts.scheme or outside(reference) or not reference:
                continue
            if name == "404.html" and reference.startswith("/"):
                continue  # mkdocs writes that page for any depth
            where, anchor = urldefrag(reference)
            target = (base / unquote(where.split("?")[0])).resolve() if where else (site_dir / name).resolve()
            if target.is_dir():
                target /= "index.html"
            inside = target.is_relative_to(site_dir.resolve())
            if reference.startswith("/") or not inside or not target.is_file():
                missing.append((name, reference))
            elif anchor and target.suffix == ".html":
                other = pages[target.relative_to(site_dir.resolve()).as_posix()]
                if unquote(anchor) not in other.ids:
                    missing.append((name, reference))
    assert not missing


def test_every_recipe_has_its_page_and_its_place_in_the_table(pages) -> None:
    home = pages["index.html"]
    for name in catalog.list_recipes():
        page = pages[f"recipes/{name}/index.html"]
        assert f"recipes/{name}/" in home.linked
        for part in (
            "the-idea",
            "architecture",
            "paper-against-here",
            "use",
            "pretrained-weights",
            "configuration",
            "api",
        ):
            assert part in page.ids, (name, part)


def test_every_difference_from_the_paper_has_a_reason(pages) -> None:
    bare = [n for n in catalog.list_recipes() if "no reason given" in pages[f"recipes/{n}/index.html"].text]
    assert not bare


def written(value: int | str) -> set[str]:
    return {str(value)} | ({f"{value:,}"} if isinstance(value, int) else set())


@pytest.mark.parametrize("name", list(manifest.entries()))
def test_every_number_of_the_manifest_is_on_the_page(pages, name) -> None:
    row, text = manifest.entries()[name], pages[f"recipes/{name}/index.html"].text
    assert row.sha256 in text and f"{row.size:,}" in text and row.license in text and row.tag in text
    for d in row.data:
        assert d["name"] in text and d["license"] in text
    for m, (dataset, _, value, command) in zip(row.metrics, model_card.metric_rows(row), strict=True):
        figure, _, interval = value.partition(" (")
        assert dataset in text and figure in text and interval.rstrip(")") in text and m["decoder"] in text
        assert command in text
    for key in ("steps", "seed", "commit", "epochs"):
        if key in row.training:
            assert written(row.training[key]) & set(re.findall(r"[\w.,]*\w", text)), key
    for stage in row.training.get("stages", []):
        for point in stage["validation"]:
            for key, v in point.items():
                shown = (
                    f"{v:.3f}"
                    if key.startswith("bp")
                    else f"{v:.1f}"
                    if key.startswith(("audio", "million"))
                    else f"{100 * v:.1f} %"
                )
                assert shown in text, (key, v)


@pytest.mark.parametrize("name", list(manifest.entries()))
def test_what_it_learned_and_gets_wrong_is_shown_or_can_be_made(pages, name) -> None:
    page = pages[f"recipes/{name}/index.html"]
    assert {"what-it-has-learned", "what-it-gets-wrong"} <= page.ids
    assert f"docs/build/plot_figures.py {name}" in page.text
    path = ROOT / "docs" / "cache" / name / "figures.json"
    if path.is_file():
        figures = json.loads(path.read_text("utf-8"))
        assert all(any(ref.endswith(f"cache/{name}/{k['file']}") for ref in page.fetched) for k in figures["learned"])
        assert ("earlier weights" in page.text) == (figures["weights"] != manifest.entries()[name].sha256)


def test_what_may_not_be_published_is_not(site_dir) -> None:
    """Sounds of speech are the clips that ship with the tests, or made by a net."""
    shipped = {p.name for p in (ROOT / "tests" / "fixtures").rglob("*.mp3")}
    for path in site_dir.glob("recipes/**/*.mp3"):
        assert path.name in shipped
    assert not list(site_dir.rglob("*camvid*.png")) and not list(site_dir.rglob("*.npz"))


# ------------------------------------------------------------------------------------------- in the browser


@pytest.fixture
def page(browser, site_url):
    """A page that notes what it asks for outside, and its errors."""
    page = browser.new_page()
    page.outside, page.broken = [], []
    page.on(
        "request",
        lambda r: r.url.startswith(("http", "ws")) and not r.url.startswith(site_url) and page.outside.append(r.url),
    )
    page.on("response", lambda r: r.status >= 400 and page.broken.append(r.url))
    page.on("pageerror", lambda e: page.broken.append(str(e)))
    yield page
    page.close()


@pytest.mark.parametrize(
    "path", ["", "recipes/", "recipes/deepspeech2_small/", "recipes/convnetjs_mnist/", "guides/chapter/"]
)
def test_pages_open_at_once_and_ask_nobody_else(page, site_url, path) -> None:
    paints = []
    for _ in range(4):  # the least counts: the machine may be busy with something else
        page.goto(site_url + path)
        page.wait_for_load_state("networkidle")
        paints.append(page.evaluate("performance.getEntriesByType('paint')[0].startTime"))
        if paints[-1] < 1000:
            break
    assert not page.outside and not page.broken
    assert min(paints) < 1000  # milliseconds


@pytest.mark.parametrize(
    "path", ["", "live/", "recipes/deepspeech2_small/", "recipes/dilation8_voc/", "guides/chapter/", "guides/numbers/"]
)
def test_pages_fit_a_phone(page, site_url, path) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(site_url + path)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("path", ["", "live/", "recipes/"])
def test_nothing_is_cut_off(page, site_url, path, width) -> None:
    """No part of the page scrolls sideways or hides what does not fit, folded tables included."""
    page.set_viewport_size({"width": width, "height": 900})
    page.goto(site_url + path)
    cut = page.evaluate(
        """() => { document.querySelectorAll('.md-content details').forEach((fold) => (fold.open = true));
          return [...document.querySelectorAll('.md-content *')].filter((e) => e.clientWidth && e.checkVisibility()
            && getComputedStyle(e).overflowX !== 'visible' && e.scrollWidth > e.clientWidth + 1).map((e) => e.outerHTML.slice(0, 80)); }"""
    )
    assert not cut and page.evaluate("document.documentElement.scrollWidth") <= width


def test_charts_and_figures_can_be_read_on_a_phone(page, site_url) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(f"{site_url}recipes/wav2letter_small/")
    heights = page.eval_on_selector_all(".chart text:not([transform])", "all => all.map((t) => t.getBoundingClientRect().height)")
    assert len(heights) > 8 and min(heights) > 10
    titles = page.eval_on_selector_all(".chart .axis", "all => all.map((t) => t.textContent)")
    assert titles == ["hours of training audio", "errors, %"]
    page.goto(f"{site_url}guides/chapter/")
    widths = page.eval_on_selector_all("img.wide", "all => all.map((i) => i.getBoundingClientRect().width)")
    assert widths and min(widths) > 650


@pytest.mark.parametrize("path", ["", "live/"])
def test_pictures_are_there_and_say_what_they_show(page, site_url, path) -> None:
    page.goto(site_url + path)
    pictures = page.evaluate(
        """() => Promise.all([...document.querySelectorAll('.gallery img')].map(async (i) => {
          i.loading = 'eager'; await i.decode();
          return [i.alt.length, i.getAttribute('width') / i.getAttribute('height') - i.naturalWidth / i.naturalHeight]; }))"""
    )
    assert len(pictures) >= 4
    assert all(words > 20 and abs(distortion) < 0.01 for words, distortion in pictures)


def test_the_page_of_demos_lists_each_demo_with_a_picture(pages, site_dir) -> None:
    page = pages["live/index.html"]
    demos = [p.parent.name for p in (site_dir / "live").glob("*/index.html")]
    assert len(demos) >= 6
    for demo in demos:
        assert page.linked.count(f"{demo}/") >= 2  # the picture and the line


def names(page, table: str = "") -> list[str]:
    return page.eval_on_selector_all(
        f"{table} .recipes tbody tr:not([hidden]) td:first-child code", "all => all.map(c => c.textContent)"
    )


def test_the_tables_filter_by_words_task_and_release(page, site_url) -> None:
    page.goto(site_url)
    assert sorted(names(page)) == catalog.list_recipes()
    assert not page.locator("details[open]").count()
    page.get_by_role("searchbox", name="Find a recipe").fill("gru speech")
    assert names(page) and all("deepspeech2" in n for n in names(page))
    assert page.locator(".recipe-tables details[open]").count() and page.locator(".recipe-tables section:visible").count() == 1
    page.get_by_role("searchbox", name="Find a recipe").fill("")
    page.get_by_label("with released weights").check()
    assert sorted(names(page)) == sorted(manifest.entries())
    page.get_by_label("Task").select_option("language-model")
    assert sorted(names(page)) == catalog.list_recipes(task="language-model", pretrained=True)


def test_a_table_sorts_from_the_keyboard_and_what_is_empty_comes_last(page, site_url) -> None:
    page.goto(site_url)
    table = page.locator("table.recipe-table").nth(2)  # images, of which squeezenet has no measured number
    assert table.get_attribute("aria-label") == "Images"
    for key, way in (("Enter", 1), ("Space", -1)):
        table.get_by_role("button", name="measured", exact=True).focus()
        page.keyboard.press(key)
        keys = table.locator("tbody tr td[data-head=measured]").evaluate_all("all => all.map(c => c.dataset.sort)")
        assert keys[-1] == "" and "" not in keys[:-1] and len(keys) > 3
        assert [float(k) for k in keys[:-1]] == sorted(map(float, keys[:-1]), reverse=way < 0)
    assert table.get_by_role("columnheader", name="measured").get_attribute("aria-sort") == "descending"
    assert page.locator("th[aria-sort]").count() == 1


def test_the_tables_are_plain_ones_without_scripts(browser, site_url) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(site_url)
    assert page.locator(".recipes tbody tr:visible").count() == len(manifest.entries())
    for fold in page.locator(".recipe-tables summary").all():
        fold.click()
    assert page.locator(".recipes tbody tr:visible").count() == len(catalog.list_recipes())
    context.close()


def test_clips_play(page, site_url) -> None:
    page.goto(f"{site_url}recipes/deepspeech2_small/")
    seconds = page.evaluate(
        "new Promise((yes, no) => { const a = document.querySelector('.clips audio'); a.onloadedmetadata = () => yes(a.duration);"
        " a.onerror = no; a.preload = 'metadata'; a.load(); })"
    )
    assert 1 < seconds < 30


@pytest.mark.parametrize("path", ["", "live/digit/"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_in_light_and_dark(browser, site_url, scheme, path) -> None:
    """Contrast of at least 4.5 (WCAG AA) of text, links and buttons on the home page and in a demo."""
    context = browser.new_context(color_scheme=scheme)
    page = context.new_page()
    page.goto(site_url + path)
    if path:
        page.locator(".live-start").first.click()
        page.wait_for_selector(".live[data-ready]")
    weak = page.evaluate(
        """() => {
          const linear = (v) => (v / 255 <= 0.03928 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4);
          const light = (c) => { const [r, g, b] = c.map(linear);
            return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
          const canvas = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
          const rgba = (color) => { canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = color; canvas.fillRect(0, 0, 1, 1);
            return [...canvas.getImageData(0, 0, 1, 1).data]; };
          const over = (top, below) => top.slice(0, 3).map((v, i) => (v * top[3] + below[i] * (255 - top[3])) / 255);
          const ground = (e) => { if (!e) return [255, 255, 255]; const c = rgba(getComputedStyle(e).backgroundColor);
            return c[3] === 255 ? c.slice(0, 3) : over(c, ground(e.parentElement)); };
          return [...document.querySelectorAll('.md-content :is(p, li, a.md-button, .live-button, td, small, th button, h1, h2, code)')]
            .filter((e) => e.textContent.trim() && e.checkVisibility())
            .map((e) => { const below = ground(e), mine = over(rgba(getComputedStyle(e).color), below);
              const [a, b] = [light(mine), light(below)].sort((x, y) => y - x);
              return [(a + 0.05) / (b + 0.05), e.textContent.trim().slice(0, 40)]; })
            .filter(([ratio]) => ratio < 4.5);
        }"""
    )
    context.close()
    assert not weak[:5]
