"""Times of the live demos in headless Chromium, on the site that `make docs` built: until each page shows its content, until its demo
has started, until a stroke is answered, of 4 s of speech, and of training."""

import argparse
import re
import shutil
import statistics
import threading
import time
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from playwright.sync_api import sync_playwright

PAGES = Path(__file__).resolve().parents[1] / "docs" / "live"


class QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Print nothing."""


def list_demos() -> list[tuple[str, str]]:
    """Return (page, demo) for each demo of the live pages."""
    return [
        (path.stem, demo)
        for path in sorted(PAGES.glob("*.md"))
        for demo in re.findall(r'data-demo="(\w+)"', path.read_text("utf-8"))
    ]


def start_demo(chromium: Any, url: str, page_name: str, demo: str) -> tuple[Any, float, float]:
    """Return a page with its demo started, the seconds until its content stood there, and the seconds from the click until it was ready.

    Demos that load nothing start by themselves.
    """
    page = chromium.new_page()
    page.set_default_timeout(60_000)
    begin = time.perf_counter()
    page.goto(f"{url}/{page_name}/", wait_until="commit")
    ready = f'[data-demo="{demo}"][data-ready]'
    page.wait_for_selector(f'{ready}, [data-demo="{demo}"] .live-start')
    shown = time.perf_counter() - begin
    begin = time.perf_counter()
    if button := page.query_selector(f'[data-demo="{demo}"] .live-start'):
        button.click()
    page.wait_for_selector(ready)
    return page, shown, time.perf_counter() - begin


def measure_starts(chromium: Any, url: str, repeats: int) -> dict[str, str]:
    """Return the median times of all demos until their page is shown and until they are ready, each time in a new page."""
    figures = {}
    for page_name, demo in list_demos():
        times = []
        for _ in range(repeats):
            page, *seconds = start_demo(chromium, url, page_name, demo)
            page.close()
            times.append(seconds)
        shown, ready = (statistics.median(column) for column in zip(*times, strict=True))
        figures[f"page {page_name}, {demo}"] = f"shown after {shown:.2f} s, ready {ready:.2f} s after the click"
    return figures


def measure_digit(chromium: Any, url: str, repeats: int) -> dict[str, str]:
    page, *_ = start_demo(chromium, url, "digit", "digit")
    page.locator(".live-pad").focus()
    page.keyboard.press(" ")
    network, whole = [], []
    for i in range(repeats):
        page.keyboard.press("ArrowDown" if i % 2 else "ArrowRight")
        page.wait_for_timeout(100)
        data = page.evaluate("({...document.querySelector('.live-demo').dataset})")
        network.append(float(data["ms"]))
        whole.append(float(data["totalMs"]))
    answer = f"in {statistics.median(whole):.1f} ms, the network's part {statistics.median(network):.1f} ms"
    return {"a stroke is answered": answer}


def measure_speech(chromium: Any, url: str, repeats: int) -> dict[str, str]:
    page, *_ = start_demo(chromium, url, "speak", "speak")
    times = []
    for i in range(1, 1 + min(repeats, 5)):
        page.get_by_role("button", name="A heavy step").click()
        page.wait_for_selector(f"[data-done='{i}']")
        card = page.locator(".speak-card").first
        times.append(float(card.get_attribute("data-ms")))
    return {f"{card.get_attribute('data-recipe')} scores 4 s of speech": f"in {statistics.median(times):.0f} ms"}


def measure_training(chromium: Any, url: str, repeats: int) -> dict[str, str]:
    page, *_ = start_demo(chromium, url, "train", "train")
    page.get_by_role("button", name="Start training").click()
    seconds = []
    for count in (200, 1000):
        page.wait_for_function(f"+document.querySelector('.live-demo').dataset.examples >= {count}")
        seconds.append((time.perf_counter(), float(page.locator(".live-demo").get_attribute("data-examples"))))
    (begin, first), (end, last) = seconds
    return {"ConvNetJS's net trains": f"on {(last - first) / (end - begin):.0f} digits a second"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--site", default="site", help="folder of the built site")
    parser.add_argument("--chromium", default=shutil.which("chromium"))
    parser.add_argument("--repeat", type=int, default=20, help="strokes, and at most so many starts and clips")
    parser.add_argument("--write", type=Path, help="also write the figures as JSON")
    o = parser.parse_args()
    figures = {}
    with (
        ThreadingHTTPServer(("127.0.0.1", 0), partial(QuietHandler, directory=o.site)) as server,
        sync_playwright() as playwright,
    ):
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/live"
        chromium = playwright.chromium.launch(executable_path=o.chromium, args=["--no-sandbox", "--disable-gpu"])
        figures.update(measure_starts(chromium, url, min(o.repeat, 3)))
        for measure in (measure_digit, measure_speech, measure_training):
            figures.update(measure(chromium, url, o.repeat))
        browser = chromium.version
        chromium.close()
        server.shutdown()
    for name, value in figures.items():
        print(f"{name:44} {value}")
    if o.write:
        from kerasrecipes.utils.environment import hardware_summary
        from kerasrecipes.utils.files import write_benchmark_json

        setting = f"headless Chromium {browser}, one thread of WebAssembly; {hardware_summary()}"
        write_benchmark_json(o.write, "Live pages", setting, figures)


if __name__ == "__main__":
    main()
