"""Numbers that a command is given, for `argparse`: each says what is wrong with one that cannot be meant."""

import argparse
import math


def positive_int(text: str) -> int:
    """Return a whole number above 0."""
    value = _whole_of(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is too small; give a whole number above 0")
    return value


def whole(text: str) -> int:
    """Return a whole number, 0 or above."""
    value = _whole_of(text)
    if value < 0:
        raise argparse.ArgumentTypeError(f"{text} is too small; give a whole number, 0 or above")
    return value


def positive_float(text: str) -> float:
    """Return a finite number above 0."""
    value = _number_of(text)
    if not 0.0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"{text} cannot be meant; give a number above 0")
    return value


def fraction(text: str) -> float:
    """Return a number from 0 to 1."""
    value = _number_of(text)
    if not 0.0 <= value <= 1.0:
        raise argparse.ArgumentTypeError(f"{text} is no share; give a number from 0 to 1")
    return value


def _whole_of(text: str) -> int:
    try:
        return int(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number") from error


def _number_of(text: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no number") from error
