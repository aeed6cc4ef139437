"""The page of all messages: what was found in the code, with examples."""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import groupby

from studies.messages.templates import ERROR, NOTE, REASON, Template, best_template

# What a user was doing, and the files whose messages belong to it; the first that fits.
GROUPS = {
    "Sounds": ("dreamsound_jax/audio/", "dreamsound_jax/run/sources.py"),
    "Flags": (
        "dreamsound_jax/cli/",
        "dreamsound_jax/run/checks.py",
        "dreamsound_jax/run/models.py",
        "dreamsound_jax/run/names.py",
        "dreamsound_jax/run/one_file.py",
        "dreamsound_jax/run/preview.py",
        "dreamsound_jax/run/presets.py",
        "dreamsound_jax/run/resolve.py",
        "dreamsound_jax/run/unused.py",
        "dreamsound_jax/system/errors.py",
    ),
    "Where a dream happens": (
        "dreamsound_jax/run/where.py",
        "dreamsound_jax/run/mask_file.py",
        "dreamsound_jax/system/npy_file.py",
    ),
    "Models": ("dreamsound_jax/networks/", "dreamsound_jax/spectral/front_end"),
    "Objectives": ("dreamsound_jax/objectives/", "dreamsound_jax/run/ranges.py"),
    "Dreams": (
        "dreamsound_jax/dreaming/",
        "dreamsound_jax/domains/",
        "dreamsound_jax/spectral/",
        "dreamsound_jax/run/dream_files.py",
        "dreamsound_jax/run/ouroboros_files.py",
        "dreamsound_jax/run/rounds.py",
    ),
    "What a run writes": ("dreamsound_jax/outputs/", "dreamsound_jax/run/writers.py"),
    "Runs of many clips, and processes": (
        "dreamsound_jax/run/",
        "dreamsound_jax/system/devices.py",
        "dreamsound_jax/system/processes.py",
    ),
    "Disks, stores and caches": ("dreamsound_jax/system/",),
    "Converting networks": (
        "dreamsound_jax/weights/",
        "scripts/convert_weights.py",
    ),
    "Training": ("dreamsound_jax/training/", "scripts/train_classifier.py"),
    "The app": ("dreamsound_jax/app/",),
    "Python": ("dreamsound_jax/",),
    "Studies and benchmarks": ("scripts/",),
}

_HEAD = """# Messages

What the commands and the Python API say, with examples as they were said while the tests ran.
An **error** ends a command with one line on standard error and exit code 2; an error of one clip
leaves out that clip alone. A **note** stands on standard error, and the run goes on. A **reason**
stands inside an error or a note. Messages that no test has met are shown as the code has them, with
what is filled in between braces.

`python scripts/messages.py` finds the messages in the code and writes this page, and a test fails
where the page is out of date. `python scripts/messages.py tests/audio` also runs those tests, and
takes examples from them.
"""
_TITLES = {ERROR: "Errors", NOTE: "Notes", REASON: "Reasons"}
_UNMET = "No test has met:"
# A message of few letters of its own says what others hand to it: more than one example shows that.
_FEW_LETTERS, _MOST_EXAMPLES = 20, 5


def format_page(templates: Sequence[Template], examples: Mapping[str, Sequence[str]]) -> str:
    """Writes the page.

    Args:
      templates: The messages in the code.
      examples: For each file of the code, what it said, what is preferred first.

    Returns:
      The page, in Markdown. A template without an example is shown itself.
    """
    blocks = [_HEAD]
    for title in GROUPS:
        inside = [each for each in templates if group_of(each.file) == title]
        blocks.append(f"## {title}")
        for file, of_file in groupby(inside, key=lambda each: each.file):
            blocks.append(f"### {file}")
            blocks += _format_file([*of_file], examples.get(file, ()))
    return "\n\n".join(block.strip("\n") for block in blocks) + "\n"


def read_examples(page: str) -> dict[str, list[str]]:
    """Returns the examples on a page, for each file of the code."""
    examples: dict[str, list[str]] = {}
    for part in re.split(r"^### ", page, flags=re.M)[1:]:
        file, _, text = part.partition("\n")
        blocks = re.findall(r"^```text\n(.*?)^```$", text, flags=re.M | re.S)
        examples[file] = [line for block in blocks for line in block.splitlines()]
    return examples


def count_unmet(page: str) -> int:
    """Returns how many messages on a page have no example."""
    blocks = re.findall(rf"^{_UNMET}\n\n```\n(.*?)^```$", page, flags=re.M | re.S)
    return sum(len(block.splitlines()) for block in blocks)


def group_of(file: str) -> str:
    """Returns what a user was doing whom a file of the code speaks to."""
    return next(title for title, begins in GROUPS.items() if file.startswith(begins))


def merge_examples(
    templates: Sequence[Template],
    known: Mapping[str, Sequence[str]],
    heard: Collection[tuple[str, str]],
) -> dict[str, list[str]]:
    """Returns the examples of each file, what is preferred first.

    Args:
      templates: The messages in the code.
      known: The examples that a page has, which are kept.
      heard: What the tests have just heard: (file, message). It is used where nothing was known.
    """
    by_file = {file: [*group] for file, group in groupby(templates, key=lambda each: each.file)}

    def find(file, message):
        return best_template(message, by_file.get(file, ()))

    met = {find(file, message) for file, messages in known.items() for message in messages}
    examples = {file: {*messages} for file, messages in known.items()}
    for file, message in heard:
        if find(file, message) not in met:
            examples.setdefault(file, set()).add(message)
    return {file: sorted(messages, key=_plainest_first) for file, messages in examples.items()}


def _plainest_first(message: str):
    """Sorts messages without odd characters or places before others, and short ones first."""
    is_odd = not message.isascii() or "\\" in message or "/tmp/" in message
    return is_odd, len(message), message


def choose_examples(template: Template, said: Iterable[str]) -> list[str]:
    """Returns the first of what was said, or a few that differ if its parts are all filled in."""
    chosen: list[str] = []
    most = 1 if template.letters >= _FEW_LETTERS else _MOST_EXAMPLES
    for message in said:
        if len(chosen) < most and all(_differ(message, other) for other in chosen):
            chosen.append(message)
    return chosen


def _differ(one: str, other: str) -> bool:
    ours, theirs = (set(re.findall(r"[a-z]{3,}", text)) for text in (one, other))
    return len(ours & theirs) <= 0.4 * max(1, min(len(ours), len(theirs)))


def _format_file(templates: Sequence[Template], said: Iterable[str]) -> list[str]:
    by_template: dict[Template, list[str]] = {each: [] for each in templates}
    for message in said:
        if best := best_template(message, templates):
            by_template[best].append(message)
    blocks = []
    for kind, title in _TITLES.items():
        chosen = {
            each: choose_examples(each, messages)
            for each, messages in by_template.items()
            if each.kind == kind
        }
        heard = [message for messages in chosen.values() for message in messages]
        unheard = [str(each) for each, messages in chosen.items() if not messages]
        if chosen:
            blocks.append(f"{title}:")
        if heard:
            blocks.append("\n".join(["```text", *heard, "```"]))
        if unheard:
            blocks += [_UNMET, "\n".join(["```", *unheard, "```"])]
    return blocks
