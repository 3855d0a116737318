"""Draws clips until transformers reproduces its own output on one."""

from collections.abc import Callable
from typing import Any

MAX_DRAWS, MAX_CLICK_DRAWS = 24, 120
"""Clips to draw for one recording before the model is rejected. About one click clip in twenty is stable, but drawing
clips is much cheaper than creating another model.
"""


class Rejected(Exception):
    """Reason to try another draw or seed: a rule was not applied, a decision was marginal, or the clip amplifies
    rounding errors.
    """


def first_accepted(
    name: str, attempt: Callable[[int], dict[str, Any]], report: Callable[[str], None], draws: int = MAX_DRAWS
) -> dict[str, Any]:
    """Records the first accepted draw.

    :param attempt: number of the draw → its recording; raises `Rejected`
    """
    for draw in range(draws):
        try:
            return attempt(draw)
        except Rejected as reason:
            report(f"{name}, draw {draw}: {reason}")
    raise Rejected(f"{name}: {draws} draws of its clip were rejected")
