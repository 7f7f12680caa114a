"""What tests of the live demos share."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

FILES = Path(__file__).resolve().parents[2] / "docs" / "live" / "files"
WAIT = 180_000  # ms: the machine may be busy


def opened(browser: Any, url: str, demo: str | None = None, **options: Any) -> Any:
    """A new page at `url`, with its demo started. What fails inside it lies in `page.failures`."""
    page = browser.new_page(**options)
    page.failures = []
    page.set_default_timeout(WAIT)
    page.on("pageerror", lambda error: page.failures.append(str(error)))
    page.on("console", lambda message: page.failures.append(message.text) if message.type == "error" else None)
    page.goto(url)
    if demo:
        start(page, demo)
    return page


def open_demo(browser: Any, site_url: str, path: str) -> Iterator:
    """Yield the page docs/live/PATH.md with the demo PATH started, and check that nothing failed in it."""
    page = opened(browser, f"{site_url}live/{path}/", path)
    yield page
    assert not page.failures
    page.close()


def start(page: Any, demo: str) -> None:
    """Press a demo's start button and wait until it is there."""
    page.locator(f'.live[data-demo="{demo}"] .live-start').first.click()
    page.wait_for_selector(f'.live[data-demo="{demo}"][data-ready]')


def call(page: Any, modules: list[str], body: str, *values: Any) -> Any:
    """The result of JavaScript in the page; each of `modules` (docs/live/NAME.js) is a variable there, `values` are `given`."""
    lines = "".join(f"const {name} = await import(new URL('{name}.js', base));" for name in modules)
    return page.evaluate(
        f"""async (given) => {{
            const base = document.querySelector('script[src$="start.js"]').src;
            {lines}
            {body}
        }}""",
        list(values),
    )
