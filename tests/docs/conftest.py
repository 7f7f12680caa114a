"""The site, built once and served below a path, and a Chromium to look at it with; `make test-docs` runs these tests."""

import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SUB_PATH = "kerasrecipes"  # a project page lies below its host's root: links from the root must not work by accident
CHROMIUM_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


class Quiet(SimpleHTTPRequestHandler):
    """A plain static host, as far as the pages can tell."""

    def log_message(self, *_: object) -> None:
        """Nothing: tests print what went wrong."""


@pytest.fixture(scope="session")
def site_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The strictly built site's folder; SITE_DIR names one that `make docs` has built already."""
    root = tmp_path_factory.mktemp("host")
    out = root / SUB_PATH
    if built := os.environ.get("SITE_DIR"):
        out.symlink_to(Path(built).resolve(), target_is_directory=True)
        return out
    for command in (
        ["docs/build/generate.py"],
        ["docs/build/run_notebooks.py"],
        ["docs/build/prepare_live.py"],
        ["-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(out)],
    ):
        made = subprocess.run([sys.executable, *command], cwd=ROOT, text=True, capture_output=True, check=False)
        assert made.returncode == 0, f"{command}:\n{made.stdout[-4000:]}\n{made.stderr[-4000:]}"
    return out


@pytest.fixture(scope="session")
def site_url(site_dir: Path) -> Iterator[str]:
    """Where the site is served, with the slash at the end."""
    handler = partial(Quiet, directory=str(site_dir.parent))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/{SUB_PATH}/"
        server.shutdown()


@pytest.fixture(scope="session")
def chromium_path() -> str:
    """Debian's Chromium, for tests that launch it with flags of their own."""
    path = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    if not path:
        pytest.skip("no chromium here: make test-docs installs Debian's")
    return path


@pytest.fixture(scope="session")
def playwright_of() -> Iterator:
    """Launches a Chromium: (path, flags) -> browser."""
    sync_api = pytest.importorskip("playwright.sync_api")
    with sync_api.sync_playwright() as playwright:
        yield lambda path, flags: playwright.chromium.launch(executable_path=path, args=list(flags))


@pytest.fixture(scope="session")
def browser(playwright_of: Callable, chromium_path: str) -> Iterator:
    """A headless Chromium for the whole session; take a page each: `browser.new_page()`."""
    chromium = playwright_of(chromium_path, CHROMIUM_FLAGS)
    yield chromium
    chromium.close()
