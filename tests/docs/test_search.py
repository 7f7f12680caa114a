"""The search of the site finds words where a reader expects them."""

import pytest

EXPECTED = {  # query -> page and section of one of the first results
    "fastapi": "guides/serving/#a-server-with-fastapi",
    "cite": "guides/citing/",
    "bibtex": "guides/citing/",
    "grammar": "guides/decoding/#phrases-a-grammar-of-commands",
    "accuracy": "guides/numbers/#measures-of-accuracy-and-error",
}


@pytest.fixture(scope="module")
def search(browser, site_url):
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.goto(site_url)
    page.wait_for_load_state("networkidle")
    yield page
    page.close()


@pytest.mark.parametrize("query", EXPECTED)
def test_the_search_finds(search, site_url, query) -> None:
    field = search.locator("input.md-search__input")
    field.fill("")
    field.click()
    field.type(query, delay=20)
    search.wait_for_function(
        "(query) => [...document.querySelectorAll('.md-search-result__link')].some((a) => a.href.includes('h=' + query))", arg=query
    )
    search.wait_for_timeout(300)
    links = search.locator(".md-search-result__link").evaluate_all("all => all.map((a) => a.href)")
    found = [link.removeprefix(site_url).replace(f"?h={query}", "") for link in links]
    assert EXPECTED[query] in found[:4], found[:8]
