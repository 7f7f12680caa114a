"""What goes wrong once is tried again, and what comes late does not cover what was chosen later."""

import pytest
from look_pages import WAIT, start


def test_a_list_that_could_not_be_loaded_is_asked_for_again(browser, site_url):
    page = browser.new_page()
    online = []
    page.route("**/live/files/files.json*", lambda route: route.continue_() if online else route.abort())
    page.goto(f"{site_url}live/look/")
    page.locator(".live-start").click()
    page.wait_for_selector(".live-error:has-text('Check your connection')")
    assert page.locator(".live-progress").count() == 0  # no bar stands beside the error
    online.append(True)
    page.get_by_role("button", name="Try again").click()
    page.wait_for_selector(".live[data-ready]", timeout=WAIT)
    page.close()


CHOICES = {  # the first choice, the second, when it is shown, and what is shown
    "look": (
        '[aria-label="image: coffee"]', '[aria-label="image: rocket"]', "demo.textContent.includes('SpaceX')",
        "demo.dataset.answer + demo.querySelector('.look-left .live-note').textContent",
    ),
    "speak": ("button:text-is('A recipe')", "button:text-is('A heavy step')", "demo.dataset.done", "demo.innerText"),
}  # fmt: skip


@pytest.mark.parametrize("name", CHOICES)
def test_the_last_choice_stays(browser, site_url, name):
    """The first choice's file is held back until the second choice is shown."""
    first, second, shown, said = CHOICES[name]
    page = browser.new_page()
    start(page, f"{site_url}live/{name}/")
    page.evaluate(
        """() => { const ask = window.fetch; let held = false; window.fetch = async (...given) => { const answer = await ask(...given);
        if (!held) { held = true; await new Promise((next) => (window.release = next)); } return answer; };
        window.demo = document.querySelector('.live-demo'); }"""
    )
    page.locator(first).click()
    page.wait_for_function("window.release !== undefined")
    page.locator(second).click()
    page.wait_for_function(shown, timeout=WAIT)
    before = page.evaluate(said)
    page.evaluate("window.release()")
    page.wait_for_timeout(2000)
    assert page.evaluate(said) == before and not page.problems
    page.close()
