"""A real browser, and a page of clips in it."""

import shutil

import pytest
from selenium import webdriver
from selenium.webdriver.support.ui import WebDriverWait

from dreamsound_jax.outputs.page import page

FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-sync",
    "--disable-background-networking",
    "--disable-component-update",
    "--window-size=1400,900",
]
FACTS = {"command": "dreamsound --lr=0.01,0.1", "device": "<b>cpu</b> & more"}


def start_browser(profile):
    """Starts Chromium where it is installed; else the test is skipped."""
    program, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not (program and driver):
        pytest.skip("chromium and chromedriver are not installed")
    options = webdriver.ChromeOptions()
    options.binary_location = program
    for flag in [*FLAGS, f"--user-data-dir={profile}"]:
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    return webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))


class Page:
    """A page in the browser, and what can be seen there."""

    def __init__(self, browser, folder, rows):
        path = folder / "index.html"
        path.write_text(page.index_html(rows, title="A run", facts=FACTS), encoding="utf-8")
        self.browser, self.address = browser, path.as_uri()
        self.open()

    def open(self, view=""):
        self.browser.get("about:blank")
        self.browser.get(self.address + view)
        # On a busy machine the browser may say that it is there before it is drawn.
        self.wait("return document.querySelector('#body > *, #nothing:not([hidden])')")

    def run(self, script, *given):
        return self.browser.execute_script(script, *given)

    def all(self, selector):
        return self.browser.find_elements("css selector", selector)

    def one(self, selector):
        return self.browser.find_element("css selector", selector)

    def wait(self, script):
        """Waits until a script gives something, and returns it."""
        return WebDriverWait(self.browser, 10, poll_frequency=0.02).until(
            lambda _: self.run(script)
        )

    def texts(self, selector):
        found = "[...document.querySelectorAll(arguments[0])]"
        return self.run(f"return {found}.map((element) => element.innerText)", selector)

    def names(self):
        return self.texts("#body .name")

    def column(self, name, rows="*"):
        return self.texts(f"#body > {rows} [data-column={name}]")

    def numbers(self, rows="*"):
        return [int(number) for number in self.column("number", rows)]

    def sort(self, name):
        self.one(f"#head [data-column={name}] button").click()

    def filter(self, text):
        box = self.one("#filter")
        box.clear()
        box.send_keys(text)
        return self.numbers()

    def press(self, *keys):
        webdriver.ActionChains(self.browser).send_keys(*keys).perform()

    def current(self):
        return self.numbers("[aria-current]")
