"""Times of the live demos in headless Chromium, on the site that `make docs` built: until a page shows its content, until the
digit demo has answered, and of 4 s of speech."""

import argparse
import shutil
import statistics
import threading
import time
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from playwright.sync_api import sync_playwright


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Nothing."""


def started(chromium: Any, url: str, demo: str) -> tuple[Any, float]:
    """A page with its demo started, and the seconds until its content stood there."""
    page = chromium.new_page()
    page.set_default_timeout(180_000)
    begin = time.perf_counter()
    page.goto(url, wait_until="commit")
    page.wait_for_selector(".live-start")
    shown = time.perf_counter() - begin
    page.click(f'[data-demo="{demo}"] .live-start')
    page.wait_for_selector(f'[data-demo="{demo}"][data-ready]')
    return page, shown


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--site", default="site", help="folder of the built site")
    parser.add_argument("--chromium", default=shutil.which("chromium"))
    parser.add_argument("--repeat", type=int, default=20)
    parser.add_argument("--write", type=Path, help="also write the figures as JSON")
    o = parser.parse_args()
    figures = {}
    with (
        ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=o.site)) as server,
        sync_playwright() as playwright,
    ):
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/live"
        chromium = playwright.chromium.launch(executable_path=o.chromium, args=["--no-sandbox", "--disable-gpu"])

        page, shown = started(chromium, f"{url}/digit/", "digit")
        page.locator(".live-pad").focus()
        page.keyboard.press(" ")
        network, whole = [], []
        for i in range(o.repeat):
            page.keyboard.press("ArrowDown" if i % 2 else "ArrowRight")
            page.wait_for_timeout(100)
            found = page.evaluate("({...document.querySelector('.live-demo').dataset})")
            network.append(float(found["ms"]))
            whole.append(float(found["wholeMs"]))
        figures["digit page shows its content"] = f"{shown:.2f} s after it was asked for"
        figures["a stroke is answered"] = (
            f"in {statistics.median(whole):.1f} ms, the network's part {statistics.median(network):.1f} ms"
        )

        page, shown = started(chromium, f"{url}/speak/", "speak")
        figures["speech page shows its content"] = f"{shown:.2f} s after it was asked for"
        times = []
        for i in range(1, 6):
            page.get_by_role("button", name="A heavy step").click()
            page.wait_for_selector(f"[data-done='{i}']")
            times.append(float(page.locator(".speak-card").get_attribute("data-ms")))
        figures["deepspeech2_small scores 4 s of speech"] = f"in {statistics.median(times):.0f} ms"

        page, shown = started(chromium, f"{url}/train/", "train")
        page.get_by_role("button", name="Start training").click()
        page.wait_for_function("+document.querySelector('.live-demo').dataset.seen > 500")
        rate = page.locator(".live-demo").get_attribute("data-rate")
        figures["training page shows its content"] = f"{shown:.2f} s after it was asked for"
        figures["ConvNetJS's net trains"] = f"on {rate} digits a second"
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
