"""The pages of the documentation lead to what is there."""

import re
from pathlib import Path

import pytest

from dreamsound_jax.run.presets import list_presets

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
