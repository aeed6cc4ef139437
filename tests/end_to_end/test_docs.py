"""The pages of the documentation lead to what is there, and show commands that are possible."""

import re
import shlex
from pathlib import Path

import pytest

from dreamsound_jax.run.checks import check_each_value
from dreamsound_jax.run.presets import find_preset, list_presets
from tests.helpers.commands import parse

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("checkpoints/*/*.md")])


def anchors(page):
    """Returns the anchors that GitHub gives to the headings of a page."""
    headings = [line.lstrip("# ") for line in page.read_text().splitlines() if line[:1] == "#"]
    return {re.sub(r"[^\w\- ]", "", each.lower()).replace(" ", "-") for each in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_to_files_and_headings_that_are_there(page):
    for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        place, _, anchor = link.partition("#")
        if "://" in place:
            continue
        target = page.parent / place if place else page
        assert target.exists(), link
        assert not anchor or target.suffix != ".md" or anchor in anchors(target), link


@pytest.mark.parametrize("preset", list_presets(), ids=lambda preset: preset.name)
def test_the_page_of_ones_own_sound_has_each_preset_as_it_describes_itself(preset):
    page = (ROOT / "docs/your_own_sound.md").read_text()
    row = f"| `{preset.name}` | {preset.summary} |"
    assert (f"`{preset.name}`" if preset.is_original else row) in page


# What is to be filled in, files that do not come with the project, and flags that end the command.
OMITTED = re.compile(r"\b[A-Z]{4,}\b|[…&]|\.\.\.|mask=mask.npy|--help|--version")


def commands(page):
    """Returns the arguments of the commands on a page that can be looked at."""
    shown = re.findall(r"^    dreamsound(?: (.*))?$|`dreamsound ([^`]*)`", page.read_text(), re.M)
    found = [block or inline for block, inline in shown]
    return [each for each in found if not OMITTED.search(each)]


OF_USERS = [page for page in PAGES if page.name != "CONTRIBUTING.md"]  # Its recipes add flags.


@pytest.mark.parametrize("page", OF_USERS, ids=lambda page: str(page.relative_to(ROOT)))
def test_flags_presets_and_values_of_commands_are_possible(page):
    for command in commands(page):
        words, *_ = command.partition(" | ")
        try:
            options = parse(*shlex.split(words, comments=True))
            check_each_value(options)
            if options.preset:
                find_preset(options.preset)
        except Exception as error:
            raise AssertionError(command) from error


def test_commands_are_found():
    assert len(commands(ROOT / "README.md")) > 10
    assert sum(len(commands(page)) for page in PAGES) > 80
