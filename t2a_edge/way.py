"""Ways between two ends: what share each frame has of them, and whose noise.

From one seed to another, noise moves on the sphere: the weights of both are the cosine and the sine
of an angle that grows evenly, so that what comes of them is standard normal noise as well. A loop
goes to the other end and back; its noise runs along a circle on the sphere that leads through both
ends and, to come back by another way, through a third noise on either side.

Source of moving on the sphere: White 2016, arXiv:1609.04468.
"""

import math
from dataclasses import dataclass

DIGITS = 6  # of an amount, behind the point
LEAST_LOOP = 3  # frames: there, at the other end, and on the way back


@dataclass(frozen=True)
class Frame:
    """Where one frame of a way is.

    Attributes:
        amount: how far from the first end to the second, 0 to 1.
        noise: weights of the first end's noise, of the second's and of a third noise to the side.
    """

    amount: float
    noise: tuple[float, float, float]


def places(frames: int, *, loop: bool) -> list[float]:
    """How far each frame is: from 0 to 1, both included; round a loop from 0 to below 1."""
    if loop:
        return [number / frames for number in range(frames)]
    return [round(number / (frames - 1), DIGITS) for number in range(frames)]


def open_at(place: float) -> Frame:
    """The frame at a place from the first end, 0, to the second, 1."""
    angle = place * math.pi / 2
    if place in (0, 1):
        return Frame(place, (1.0 - place, float(place), 0.0))
    return Frame(place, (math.cos(angle), math.sin(angle), 0.0))


def loop_at(place: float, *, one_seed: bool) -> Frame:
    """The frame at a place round a loop: the first end is at 0 and 1, the second one at 0.5.

    Args:
        one_seed: whether both ends have the same noise.
    """
    amount = round(1 - abs(1 - 2 * place), DIGITS)
    if amount in (0, 1):
        return Frame(amount, (1.0, 0.0, 0.0) if one_seed or not amount else (0.0, 1.0, 0.0))
    turn = 2 * math.pi * place
    first, side = (1 + math.cos(turn)) / 2, math.sin(turn) / math.sqrt(2)
    if one_seed:
        length = math.sqrt(1 + side * side)
        return Frame(amount, (1 / length, 0.0, side / length))
    return Frame(amount, (first, 1 - first, side))
