"""Scores the answers to a listening test, which scripts/listening_test.py makes.

    python scripts/score_listening_test.py --answers answers/*.json --key=listening/key.json

It prints how often listeners name the class of dreams and of real phrases, with intervals, beside
the undreamed inputs and chance, and writes the same as Markdown.
"""

from pathlib import Path

from dreamsound_jax.cli import parsing as command_line
from dreamsound_jax.system.storage import write_whole
from studies.listening.answers import read_answers
from studies.listening.key import read_key
from studies.listening.results import format_results
from studies.listening.score import compare, score
from studies.paths import define_path, define_paths

_ANSWERS = define_paths(
    "answers",
    None,
    "files of answers, one for each listener, or their folder",
    required=True,
)
_KEY = define_path("key", "outputs/listening/key.json", "the key of the test")
_RESULTS = define_path("results", None, "the file of results; by default beside the key")


def main():
    key = read_key(Path(_KEY.value))
    answers = read_answers(_ANSWERS.value, key)
    heard = compare(key, answers)
    results = format_results(key, answers, heard, score(heard))
    path = Path(_RESULTS.value or Path(_KEY.value).with_name("results.md"))
    write_whole(path, results.encode())
    print(results)


if __name__ == "__main__":
    command_line.run(
        main, name="score_listening_test", usage=__doc__, stopped="nothing was written"
    )
