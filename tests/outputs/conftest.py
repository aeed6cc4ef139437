"""A browser for the tests of pages."""

import pytest

from tests.helpers.browser import start_browser


@pytest.fixture(scope="session")
def browser(tmp_path_factory):
    """One Chromium for all tests of pages that a worker runs."""
    browser = start_browser(tmp_path_factory.mktemp("profile"))
    yield browser
    browser.quit()
