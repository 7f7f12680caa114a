"""The built site: complete, self-contained, readable."""


def test_the_home_page_opens(site_url: str, browser) -> None:
    page = browser.new_page()
    assert page.goto(site_url).ok
    assert "kerasrecipes" in page.title()
    page.close()
