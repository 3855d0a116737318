"""Draws that are tried until one is found of which transformers gives the same again."""

from collections.abc import Callable
from typing import Any

MAX_DRAWS, MAX_CLICK_DRAWS = 24, 120
"""Clips that are tried for one recording before the model is given up. Of clicks one in twenty may be steady, which costs far less
time to find than another model."""


class Rejected(Exception):
    """Why another seed is better: a rule that did not fire, a decision that hung by a hair, a clip that magnifies rounding."""


def first_accepted(
    name: str, attempt: Callable[[int], dict[str, Any]], report: Callable[[str], None], draws: int = MAX_DRAWS
) -> dict[str, Any]:
    """attempt: number of a draw → what was recorded of it"""
    for draw in range(draws):
        try:
            return attempt(draw)
        except Rejected as reason:
            report(f"{name}, draw {draw}: {reason}")
    raise Rejected(f"{name}: {draws} draws of its clip were unlucky")
