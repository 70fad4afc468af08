"""Outlines as (n, 2) arrays of points; x right, y down, the picture is from 0 to 1."""

import numpy as np
import numpy.typing as npt

Points = npt.NDArray[np.float64]
TAU = 2 * np.pi


def turned(points: Points, angle: float, x: float = 0.0, y: float = 0.0) -> Points:
    """Points turned about the origin by radians, then moved."""
    c, s = np.cos(angle), np.sin(angle)
    return np.asarray(points @ np.array([[c, s], [-s, c]]) + (x, y))


def regular(x: float, y: float, r: float, sides: int, angle: float = 0.0) -> Points:
    """A regular polygon."""
    t = angle + TAU * np.arange(sides) / sides
    return np.stack([x + r * np.cos(t), y + r * np.sin(t)], axis=1)


def ellipse(x: float, y: float, rx: float, ry: float, angle: float = 0.0, n: int = 44) -> Points:
    """An ellipse as a polygon fine enough to look round."""
    t = TAU * np.arange(n) / n
    return turned(np.stack([rx * np.cos(t), ry * np.sin(t)], axis=1), angle, x, y)


def box(x: float, y: float, w: float, h: float, angle: float = 0.0) -> Points:
    """A rectangle about its centre."""
    half = np.array([[-w, -h], [w, -h], [w, h], [-w, h]]) / 2
    return turned(half, angle, x, y)


def span(x0: float, y0: float, x1: float, y1: float) -> Points:
    """A rectangle between two corners."""
    return np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]])


def smooth(points: Points, n: int = 60, closed: bool = False) -> Points:
    """A Catmull-Rom curve through points, as n points."""
    p = np.asarray(points, float)
    p = (
        np.vstack([p[-1:], p, p[:2]])
        if closed
        else np.vstack([2 * p[0] - p[1], p, 2 * p[-1] - p[-2]])
    )
    segments = len(p) - 3
    t = np.linspace(0, segments, n, endpoint=not closed)
    i = np.minimum(t.astype(int), segments - 1)
    u = (t - i)[:, None]
    a, b, c, d = p[i], p[i + 1], p[i + 2], p[i + 3]
    cubic = (
        2 * b + (c - a) * u + (2 * a - 5 * b + 4 * c - d) * u**2 + (3 * b - a - 3 * c + d) * u**3
    )
    return np.asarray(cubic / 2)


def resample(points: Points, n: int, closed: bool = False) -> Points:
    """The same line with n points at even distances."""
    p = np.vstack([points, points[:1]]) if closed else points
    along = np.concatenate([[0], np.cumsum(np.hypot(*np.diff(p, axis=0).T))])
    t = np.linspace(0, along[-1], n, endpoint=not closed)
    return np.stack([np.interp(t, along, p[:, 0]), np.interp(t, along, p[:, 1])], axis=1)


def wobble(rng: np.random.Generator, n: int, waves: int = 4) -> Points:
    """A smooth closed random curve of n numbers, of about unit size: the hand's unsteadiness."""
    t = TAU * np.arange(n) / n
    k = np.arange(1, waves + 1)[:, None]
    size = rng.normal(0, 1, (waves, 1)) / k**0.7
    return np.asarray((size * np.cos(k * t + rng.uniform(0, TAU, (waves, 1)))).sum(axis=0))


def blob(rng: np.random.Generator, x: float, y: float, r: float, rough: float = 0.25) -> Points:
    """A rounded organic outline; rough in [0, 0.5] is how far it leaves a circle."""
    n = 56
    radius = r * np.maximum(1 + rough * wobble(rng, n, 4) / 1.6, 0.25)
    t = TAU * np.arange(n) / n
    squeeze = rng.uniform(0.62, 1.0)
    body = np.stack([radius * np.cos(t), squeeze * radius * np.sin(t)], axis=1)
    return turned(body, rng.uniform(0, TAU), x, y)


def ribbon(points: Points, widths: npt.NDArray[np.float64] | float) -> Points:
    """The outline of a line of changing width."""
    d = np.gradient(points, axis=0)
    length = np.maximum(np.hypot(d[:, 0], d[:, 1]), 1e-9)
    normal = np.stack([-d[:, 1], d[:, 0]], axis=1) / length[:, None]
    half = np.broadcast_to(np.asarray(widths, float), (len(points),))[:, None] / 2
    return np.vstack([points + normal * half, (points - normal * half)[::-1]])


def arc(x: float, y: float, r: float, start: float, sweep: float, n: int = 36) -> Points:
    """Part of a circle, in radians."""
    t = start + sweep * np.linspace(0, 1, n)
    return np.stack([x + r * np.cos(t), y + r * np.sin(t)], axis=1)


def wedge(x: float, y: float, r0: float, r1: float, start: float, sweep: float) -> Points:
    """A piece of a ring between two radii."""
    n = max(int(abs(sweep) * 9), 6)
    outer, inner = arc(x, y, r1, start, sweep, n), arc(x, y, r0, start, sweep, n)[::-1]
    return np.vstack([outer, inner if r0 > 0 else [[x, y]]])
