"""What the tests of the pages Look inside, Segment a street and WaveNet share."""

import base64
import hashlib
import json
from typing import Any

import numpy as np

WAIT = 180_000  # ms; the machine may be busy


def serve(page: Any, files: dict[str, tuple[bytes, dict]]) -> None:
    """Let the site have these files among live/files/, as if docs/build/prepare_live.py had made them; {} takes nothing away.

    Args:
        files: name -> (content, description in the file); None in place of a content: the site lacks it.
    """

    def list_files(route: Any) -> None:
        entries = json.loads(route.fetch().text())
        for name, (content, metadata) in files.items():
            entries.pop(name, None)
            if content is not None:
                entries[name] = {"size": len(content), "hash": hashlib.sha256(content).hexdigest(), "metadata": metadata}
        route.fulfill(json=entries)

    page.route("**/live/files/files.json*", list_files)
    for name, (content, _) in files.items():
        if content is not None:
            page.route(f"**/live/files/{name}*", answer(content))


def answer(content: bytes) -> Any:
    """A route's handler that gives these bytes."""
    return lambda route: route.fulfill(body=content)


def start(page: Any, address: str) -> Any:
    """Open a demo's page, press its button, and wait until it is there; the demo's element. Errors of the page are kept in
    `page.problems`."""
    page.problems = []
    page.on("pageerror", lambda error: page.problems.append(str(error)))
    page.goto(address)
    page.locator(".live-start").click()
    page.wait_for_selector(".live[data-ready]", timeout=WAIT)
    return page.locator(".live-demo").first


def until(page: Any, name: str, value: str | None = None) -> str:
    """Wait until the demo says `data-name`, or says `value`; what it says."""
    test = "v !== undefined" if value is None else f"v === {json.dumps(value)}"
    said = f"const v = document.querySelector('.live-demo').dataset[{json.dumps(name)}]"
    page.wait_for_function(f"(() => {{ {said}; return {test}; }})()", timeout=WAIT)
    return page.locator(".live-demo").first.get_attribute(f"data-{kebab(name)}")


def kebab(name: str) -> str:
    return "".join(f"-{c.lower()}" if c.isupper() else c for c in name)


def numbers(text: str) -> np.ndarray:
    """Float32 numbers that a page gave by `PACK`."""
    return np.frombuffer(base64.b64decode(text), "<f4")


# JavaScript: numbers to text and back, without the cost of JSON
PACK = """(values) => { const bytes = new Uint8Array(Float32Array.from(values).buffer); let text = '';
    for (let i = 0; i < bytes.length; i += 8192) text += String.fromCharCode(...bytes.subarray(i, i + 8192)); return btoa(text); }"""


def close(found: np.ndarray, right: np.ndarray, tolerance: float = 1e-3) -> None:
    """Both agree to a share of the largest value."""
    right = np.asarray(right, "float32").ravel()
    assert found.shape == right.shape
    scale = np.abs(right).max()
    assert np.abs(found - right).max() <= tolerance * scale, (np.abs(found - right).max(), scale)


def fits(page: Any, width: int = 390) -> None:
    """Nothing is cut off or scrolls sideways on a phone."""
    page.set_viewport_size({"width": width, "height": 800})
    page.wait_for_timeout(300)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    beyond = page.evaluate(
        """(w) => [...document.querySelectorAll('.live *')].filter((e) => e.getBoundingClientRect().right > w + 1)
        .map((e) => e.className || e.tagName)""",
        width,
    )  # fmt: skip
    assert not beyond, beyond
