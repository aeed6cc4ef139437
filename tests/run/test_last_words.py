"""What is said in the end of a run."""

import logging

import pytest

from dreamsound_jax.run.last_words import describe_stop, log_speed, suggest, suggest_next
from dreamsound_jax.run.strength import FULL_DISTANCE_DB
from tests.helpers import tiny

OUROBOROS = {"create_ouroboros": True, "ouroboros_length": 5}


def of_strength(strength):
    return {"distance_db": FULL_DISTANCE_DB * strength / 100}


@pytest.mark.parametrize(
    ("reached", "asked", "expected"),
    [
        (58.0, None, "about 60; for a stronger dream give --strength=80, for a weaker dream give "),
        (100.0, None, "about 100; for a weaker dream give --strength=80"),
        (2.0, None, "about 0; for a stronger dream give --strength=20"),
        (
            40.2,
            40.0,
            "40; for a stronger dream give --strength=60, for a weaker dream give --stren",
        ),
        (
            87.0,
            90.0,
            "90; for a stronger dream give --strength=100, for a weaker dream give --stre",
        ),
        (99.9, 100.0, "100; for a weaker dream give --strength=80"),
        (0.0, 0.0, "0; for a stronger dream give --strength=20"),
        (71.0, 90.0, "about 70 instead of 90: its bounds allow no more; for a weaker dream give"),
        (0.0, 50.0, "the dream reached a strength of about 0 instead of 50: its bounds allow no"),
    ],
)
def test_strengths_are_suggested_on_both_sides_as_far_as_there_are_any(reached, asked, expected):
    sentence = suggest(reached, asked)
    assert expected in sentence
    assert sentence.count("give --strength=") == sentence.count("for a ")
    stronger = "for a stronger" in sentence
    assert stronger == (reached < 95 and (asked is None or asked - reached <= 5))


def test_nothing_is_said_of_a_dream_that_options_keep_from_moving():
    assert suggest(0.0) == ""


def test_the_hints_fit_what_was_dreamed():
    def hints(records, **changes):
        page, *others = suggest_next(records, tiny.plan(**changes), page="out/index.html")
        assert "open out/index.html in a browser" in page
        return " ".join(others)

    assert hints([of_strength(60)]).startswith("the dream has a strength of about 60; ")
    assert hints([of_strength(50)] * 3).startswith("the dreams have a strength of about 50; ")
    assert "strength of 33; for a stronger dream give --strength=53" in (
        hints([of_strength(33)], strength=33.0)
    )
    assert hints([of_strength(33)], sweep={"lr": (0.1, 0.2)}) == ""
    longer, slower = "give --ouroboros_length=10", "give --preset=slow_waves"
    assert all(each in hints([{"rounds": 5}], **OUROBOROS) for each in (longer, slower))
    assert longer not in hints([{"rounds": 4}], **OUROBOROS)
    stretched = OUROBOROS | {"ouroboros_transform": ("time_stretch",)}
    assert slower not in hints([{"rounds": 5}], **stretched)
    assert hints([{"rounds": 4}], **stretched) == ""


@pytest.mark.parametrize(
    ("records", "expected"),
    [
        ([{"seconds": 6.9}], "6.9 s of sound in 20 s"),
        ([{"seconds": 6.9}, {"error": "overflows"}], "6.9 s of sound in 20 s"),
        ([{}], "1 clip in 20 s"),
        ([{}, {}], "2 clips in 20 s, 0.1 a second; the device was busy for 50% of the time"),
        ([{"error": "overflows"}], ""),
    ],
)
def test_how_long_it_took_is_said_of_one_clip_and_of_several(records, expected, caplog):
    logger = logging.getLogger("dreamsound_jax.run.last_words")
    logger.addHandler(caplog.handler)
    with caplog.at_level(logging.INFO, logger=logger.name):
        log_speed(records, 20.0, 10.0)
    logger.removeHandler(caplog.handler)
    assert {*caplog.messages} == {*filter(None, [expected])}


def test_a_stop_says_what_is_kept_and_how_to_go_on():
    assert describe_stop(1, 1, kept="", command="dreamsound") == (
        "1 of 1 clips is done; to go on: dreamsound"
    )
    assert describe_stop(0, 4, kept="1 round of the next 2 clips", command="x") == (
        "0 of 4 clips are done, and 1 round of the next 2 clips is kept; to go on: x"
    )
