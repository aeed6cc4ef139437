"""A real browser, and a run's page in it."""

import os
import shutil

import pytest
from selenium import webdriver
from selenium.webdriver.common.keys import Keys
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
    """Starts Chromium, or skips the test where Chromium is not installed."""
    program, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not (program and driver):
        pytest.skip("chromium and chromedriver are not installed")
    options = webdriver.ChromeOptions()
    options.binary_location = program
    for flag in [*FLAGS, f"--user-data-dir={profile}"]:
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    return webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))


NOT_UTF8 = os.fsdecode(b"caf\xe9 #1")


def clip(number, **known):
    """Returns a row of the page: the record of a clip."""
    return {"name": f"{number:05d}-noise", "number": number, **known}


class Page:
    """A run's page in the browser, opened as a file."""

    def __init__(self, browser, folder, rows, **more):
        path, self._blank = folder / "index.html", folder / "blank.html"
        html = page.index_html(rows, title="A run", **{"facts": FACTS, **more})
        path.write_text(html, encoding="utf-8")
        self._blank.write_text("<!DOCTYPE html>")
        self.browser, self.address = browser, path.as_uri()
        self.forget()
        self.open()

    def forget(self):
        """Leaves the page, and clears what the browser keeps: all files share it."""
        self.browser.get(self._blank.as_uri())
        self.run("localStorage.clear()")

    def open(self, hash=""):
        self.browser.get_log("browser")  # What a page before it has left there.
        self.browser.get("about:blank")  # Another hash alone would not load the page again.
        self.browser.get(self.address + hash)
        self.wait("return document.querySelector('.dt-container tbody tr, article')")

    def said(self):
        """What is said above the clips, by its kind."""
        lines = self.all("#messages p")
        return {line.get_attribute("data-kind"): line.text for line in lines}

    def run(self, script, *given):
        return self.browser.execute_script(script, *given)

    def all(self, selector):
        return self.browser.find_elements("css selector", selector)

    def one(self, selector):
        return self.browser.find_element("css selector", selector)

    def wait(self, script):
        """Waits until a script returns something true, and returns it."""
        return WebDriverWait(self.browser, 10, poll_frequency=0.02).until(
            lambda _: self.run(script)
        )

    def heads(self):
        """The keys of the columns; their heads show them with spaces."""
        find = "[...document.querySelectorAll('thead tr:first-child th')]"
        return self.run(f"return {find}.map((head) => head.dataset.key)")

    def column(self, name):
        """The texts of a column, from top to bottom."""
        at = self.heads().index(name) + 1
        find = "[...document.querySelectorAll(`tbody td:nth-child(${arguments[0]}) .text`)]"
        return self.run(f"return {find}.map((cell) => cell.innerText)", at)

    def numbers(self):
        return [int(number) for number in self.column("number")]

    def count(self):
        """The line that says how many clips are shown."""
        return self.one(".dt-info").text

    def sort(self, name):
        self.redraw_by_click(self.all("thead tr:first-child th")[self.heads().index(name)])

    def redraw_by_click(self, element):
        """Clicks and waits for the table, which DataTables draws a moment later."""
        self.run("window.drawn = false; table.one('draw', () => (window.drawn = true))")
        element.click()
        self.wait("return window.drawn")

    def search(self, text):
        return self._type(self.one("input[type=search]"), text)

    def filter(self, name, text):
        label = f"Filter {name}".replace("_", " ")
        return self._type(self.one(f"thead input[aria-label='{label}']"), text)

    def _type(self, box, text):
        """Types a text instead of what is in a box, and returns the numbers that are left."""
        box.send_keys(Keys.CONTROL, "a", Keys.NULL, Keys.DELETE, text)
        return self.numbers()

    def press(self, *keys):
        webdriver.ActionChains(self.browser).send_keys(*keys).perform()
