"""Draws that are tried until one is found of which transformers gives the same again."""

from typing import Any, Callable

DRAWS = 24
"""Clips that are tried for one recording before the model is given up."""


class Unlucky(Exception):
    """Why another seed is better: a rule that did not fire, a decision that hung by a hair, a clip that magnifies rounding."""


def first_lucky(name: str, attempt: Callable[[int], dict[str, Any]], say: Callable[[str], None]) -> dict[str, Any]:
    """attempt: number of a draw → what was recorded of it"""
    for draw in range(DRAWS):
        try:
            return attempt(draw)
        except Unlucky as reason:
            say(f"{name}, draw {draw}: {reason}")
    raise Unlucky(f"{name}: {DRAWS} draws of its clip were unlucky")
