"""Reads an objective that is written as text, such as on the command line.

    channel(relu3_4, 17) + 0.5*guide(relu4_4, birds.wav, power=2) - 0.1*total_variation()

A sum of terms, each with a factor or none; sums in parentheses may have a factor, too. The bare
name of a layer or a class is a term, too: `relu3_4` is `layer(relu3_4)`, and `organ` is
`probability(organ)`. An argument is a number, or a word that needs no quotes unless it holds a
comma, a parenthesis or a quote. Nothing is evaluated: only the terms in `TERMS` can be named.
"""

import inspect
import math
import re
import types
import typing
from collections.abc import Callable, Iterable
from typing import Any, NoReturn

import numpy as np

from dreamsound_jax.networks.card import Card
from dreamsound_jax.objectives.classes import logit, margin
from dreamsound_jax.objectives.guides import features, guide
from dreamsound_jax.objectives.interpolation import Interpolation
from dreamsound_jax.objectives.named import NamedTerm, list_names, named
from dreamsound_jax.objectives.pictures import keep_spectrum, stay_near, total_variation
from dreamsound_jax.objectives.terms import Objective, layer, probability
from dreamsound_jax.objectives.units import channel, direction, neuron
from dreamsound_jax.objectives.variety import diversity
from dreamsound_jax.system.errors import UserError, nearest_or_fail
from dreamsound_jax.system.npy_file import read_npy

TERMS: dict[str, Callable[..., Objective]] = {
    term.__name__: term
    for term in (
        layer,
        channel,
        neuron,
        direction,
        probability,
        logit,
        margin,
        guide,
        features,
        diversity,
        total_variation,
        stay_near,
        keep_spectrum,
    )
}
"""{name: the function that makes the term}; its parameters are the arguments in the text."""

# Parameters that a text cannot give: a guide is a file there.
_NOT_IN_TEXT = ("sample_rate",)

_TOKEN = re.compile(
    r"""\s*(?:(?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?(?!\w))
    |(?P<name>[A-Za-z_]\w*)
    |(?P<sign>[-+*()]))""",
    re.VERBOSE,
)
_ARGUMENT = re.compile(r"""\s*("[^"]*"|'[^']*'|[^,()"']*)""")
_QUOTED = re.compile(r"""\s*("[^"]+"|'[^']+')""")
_UNKNOWN = re.compile(r"(?:(?!\s-\s)[^>+*()])+")  # A name that is none, with its spaces.
_MOST_PARENTHESES = 50
_MOST_SHOWN = 100  # Characters of the text, before and behind the place of an error.
_KEYWORD = re.compile(r"\s*([a-z_]+)\s*=")


def parse_objective(text: str, *, card: Card | None = None) -> Objective:
    """Reads an objective.

    Args:
      text: such as "channel(relu3_4, 17) - 0.1*total_variation()".
      card: of the network that is to have all that the terms name, if it is known.

    Raises:
      UserError: the text cannot be read, or the network of the card has no such layer, channel or
        class; the message shows where.

    Example:
      >>> [weight for weight, _ in parse_objective("2*(layer(relu3_4) - stay_near(0.5))").terms]
      [2.0, -1.0]
    """
    return _Reader(text, card).read_all()


def parse_interpolation(text: str, *, card: Card | None = None) -> Interpolation:
    """Reads objectives that fade into each other, with > between them.

    Args:
      text: such as "relu2_2 > relu5_4" or "layer(relu2_2) > 2*probability(organ)".
      card: as for `parse_objective`.

    Raises:
      UserError: as `parse_objective`; or there are fewer than two objectives.

    Example:
      >>> len(parse_interpolation("relu2_2 > 2*layer(relu3_1) + logit(organ) > organ").stops)
      3
    """
    return Interpolation(tuple(_Reader(text, card, flag="--interpolate").read_stops()))


class _Reader:
    """Reads a text from left to right."""

    def __init__(self, text: str, card: Card | None, *, flag: str = "--objective"):
        self.text, self.card, self.flag = text, card, flag
        self.place = 0
        self.depth = 0

    def read_all(self) -> Objective:
        objective = self._read_sum()
        if self._rest():
            self._fail("expected + or - here, or the end")
        return objective

    def read_stops(self) -> list[Objective]:
        stops = [self._read_sum()]
        while self._take(">"):
            stops.append(self._read_sum())
        if self._rest():
            self._fail("expected +, - or > here, or the end")
        return stops

    def _read_sum(self) -> Objective:
        sign = -1.0 if self._take("-") else 1.0
        if sign > 0:
            self._take("+")
        objective = sign * self._read_product()
        while True:
            if self._take("+"):
                objective = objective + self._read_product()
            elif self._take("-"):
                objective = objective - self._read_product()
            else:
                return objective

    def _read_product(self) -> Objective:
        """Reads a term, with numbers before and behind it as factors."""
        factor, found = 1.0, None
        while True:
            while self._take("-"):
                factor = -factor
            number = self._take_number()
            if number is not None:
                factor *= number
            elif found is None:
                found = self._read_term()
            else:
                self._fail("expected a number here, since an objective can only be scaled")
            if not self._take("*"):
                break
        if found is None:
            self._fail("expected a term here, such as *layer(relu3_4)")
        return factor * found

    def _read_term(self) -> Objective:
        if self._take("("):
            self.depth += 1
            if self.depth > _MOST_PARENTHESES:
                self._fail(f"at most {_MOST_PARENTHESES} parentheses may be open here")
            objective = self._read_sum()
            self._expect(")")
            self.depth -= 1
            return objective
        start = self.place
        found = self._read_name()
        if found is not None:
            return found
        match = _TOKEN.match(self.text, self.place)
        if not match or not match["name"]:
            self._fail("expected a term here, such as layer(relu3_4)")
        try:
            name = nearest_or_fail("such term of an objective:", match["name"], TERMS)
        except UserError as error:
            self._fail(str(error))
        self.place = match.end()
        self._expect("(")
        given = self._read_arguments()
        try:
            objective = _call(name, *given)
            self._check(objective)
            return objective
        except UserError as error:
            self.place = start
            self._fail(str(error))

    def _read_name(self) -> Objective | None:
        """Reads the bare name of a layer or a class; None if something else stands here."""
        start = len(self.text) - len(self._rest())
        quoted, word = _QUOTED.match(self.text, start), _TOKEN.match(self.text, start)
        name = quoted[1][1:-1] if quoted else self._find_known(start)
        end = quoted.end() if quoted else start + len(name or "")
        if name is None and word and word["name"] and self._rest_at(word.end())[:1] != "(":
            name, end = word["name"], word.end()
            if name in TERMS:
                self._fail(f"{name} needs its arguments in parentheses, as in {name}(...)")
            if self.card is not None:
                unknown = _UNKNOWN.match(self.text, start)
                name = unknown[0].strip() if unknown else name
        if name is None:
            return None
        objective = named(name)
        if self.card is not None:
            try:
                objective = Objective(((1.0, NamedTerm(name).resolve(self.card)),))
                self._check(objective)
            except UserError as error:
                self._fail(str(error))
        self.place = end
        return objective

    def _find_known(self, start: int) -> str | None:
        """Returns the name of the card's network that stands at a place of the text."""
        for name in list_names(self.card) if self.card is not None else ():
            end = start + len(name)
            ends_here = not re.match(r"\w", self.text[end:]) and self._rest_at(end)[:1] != "("
            if self.text[start:end].lower() == name.lower() and ends_here:
                return self.text[start:end]
        return None

    def _check(self, objective: Objective) -> None:
        """Raises UserError if the network of the card does not have what the terms name."""
        if self.card is not None:
            for _, term in objective.terms:
                term.measure(self.card)
                term.data(self.card)

    def _read_arguments(self) -> tuple[list[str], dict[str, str]]:
        """Reads what stands in parentheses, as texts."""
        positional: list[str] = []
        keywords: dict[str, str] = {}
        if self._take(")"):
            return positional, keywords
        while True:
            keyword = _KEYWORD.match(self.text, self.place)
            self.place = keyword.end() if keyword else self.place
            match = _ARGUMENT.match(self.text, self.place)
            assert match is not None, "an argument may be empty"
            value = match[1].strip()
            if not value:
                self._fail("expected an argument here")
            self.place = match.end()
            if value[0] in "\"'" and value[-1] == value[0] and len(value) > 1:
                value = value[1:-1]
            if keyword:
                keywords[keyword[1]] = value
            else:
                positional.append(value)
            if self._take(")"):
                return positional, keywords
            if self._rest()[:1] != ",":
                self._fail("expected , or ) here")
            self.place = len(self.text) - len(self._rest()) + 1

    def _rest(self) -> str:
        return self._rest_at(self.place)

    def _rest_at(self, place: int) -> str:
        return self.text[place:].lstrip()

    def _take(self, sign: str) -> bool:
        """Steps over a sign, if it is the next one."""
        if not self._rest().startswith(sign):
            return False
        self.place = len(self.text) - len(self._rest()) + len(sign)
        return True

    def _expect(self, sign: str) -> None:
        if not self._take(sign):
            self._fail(f"expected {sign} here")

    def _take_number(self) -> float | None:
        match = _TOKEN.match(self.text, self.place)
        if not match or not match["number"]:
            return None
        number = float(match["number"])
        if not math.isfinite(number):
            self._fail("expected a smaller number here")
        self.place = match.end()
        return number

    def _fail(self, why: str) -> NoReturn:
        """Raises UserError, with the text and the place."""
        place = len(self.text) - len(self._rest())
        before, after = self.text[:place].rstrip(), self.text[place:]
        if len(before) > _MOST_SHOWN:
            before = f"...{before[-_MOST_SHOWN:]}"
        if len(after) > _MOST_SHOWN:
            after = f"{after[:_MOST_SHOWN]}..."
        shown = f"{before} >>> {after}".strip()
        raise UserError(f"{self.flag}: {why}: {shown}") from None


def _call(name: str, positional: list[str], keywords: dict[str, str]) -> Objective:
    """Makes a term of its arguments as texts."""
    parameters = {
        each.name: each
        for each in inspect.signature(TERMS[name]).parameters.values()
        if each.name not in _NOT_IN_TEXT
    }
    by_place = [each.name for each in parameters.values() if each.kind is not each.KEYWORD_ONLY]
    usage = _show_usage(name, parameters.values())
    if len(positional) > len(by_place):
        count = len(positional)
        raise UserError(f"{name} has {count} arguments without a name, and must be {usage}")
    given = dict(zip(by_place, positional))
    for keyword, value in keywords.items():
        nearest_or_fail(f"such argument of {name}:", keyword, tuple(parameters))
        if keyword in given:
            raise UserError(f"{name} has {keyword} twice, and must be {usage}")
        given[keyword] = value
    missing = [p.name for p in parameters.values() if p.default is p.empty and p.name not in given]
    if missing:
        raise UserError(f"{name} needs {' and '.join(missing)}, and must be {usage}")
    kinds = typing.get_type_hints(TERMS[name])
    return TERMS[name](**{key: _convert(key, kinds[key], word) for key, word in given.items()})


def _show_usage(name: str, parameters: Iterable[inspect.Parameter]) -> str:
    """Returns how a term is written, such as "channel(LAYER, NUMBER)"."""
    shown = [p.name.upper() if p.default is p.empty else f"{p.name}=..." for p in parameters]
    return f"{name}({', '.join(shown)})"


def _convert(name: str, kind: Any, word: str) -> Any:
    """Converts the text of an argument to the type of its parameter."""
    options = typing.get_args(kind) if isinstance(kind, types.UnionType) else (kind,)
    if name == "vector":
        return _read_vector(word)
    if int in options and re.fullmatch(r"[+-]?\d+", word):
        return int(word)
    if str in options or typing.get_origin(kind) is typing.Literal:
        return word
    if float in options:
        try:
            if math.isfinite(float(word)):
                return float(word)
        except ValueError:
            pass
    must = "a whole number" if int in options else "a number"
    raise UserError(f"{name} must be {must}, and is {word!r}")


def _read_vector(path: str) -> np.ndarray:
    """Reads the numbers of a direction."""
    vector = read_npy(path, "a direction")
    if vector.ndim != 1:
        shape = vector.shape
        raise UserError(f"a direction must be one row of numbers, and {path!r} has shape {shape}")
    return vector
