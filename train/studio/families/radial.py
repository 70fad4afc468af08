"""Families about a centre: rings, spirals, sunbursts, orbits."""

import numpy as np

from train.studio.families.layout import depth_alpha, divide, focus, glaze
from train.studio.families.registry import family
from train.studio.palette import ACCENT, GROUND, LIGHT
from train.studio.shapes import TAU, ellipse, regular, ribbon, wedge
from train.studio.surface import Scene


@family(contour=(0.4, 1), direction=(0.5, 1), order=(-0.5, 1), density=(-0.6, 1),
        depth=(-0.8, 0.7), energy=(-0.4, 0.4))  # fmt: skip
def rings(s: Scene) -> None:
    """Discs of broken rings, one great and some small, their quarters out of step."""
    rng = s.rng
    s.ground()
    divide(s)
    glaze(s, 3)
    s.traits |= {"circular", "round", "ringed", "concentric", "shows:circular"}
    alpha = depth_alpha(s, 1, 0.9)
    fx, fy = focus(s)
    discs, alone = [(fx, fy, rng.uniform(0.32, 0.48))], False
    if s.values["order"] > 0.55 and rng.random() < 0.6:
        discs = [(0.5, 0.5, 0.46)]
        alone = True
    else:
        for _ in range(s.count(1, 6)):
            x, y = rng.uniform(0, 1, 2)
            discs.append((x, y, rng.uniform(0.07, 0.22)))
    quarters = int(rng.choice([1, 1, 1, 2, 4])) if not alone else 1
    for x, y, r in discs:
        n, last = max(round(s.count(4, 9) * (0.5 + r)), 3), GROUND
        edges = np.sort(rng.uniform(0.1, 1, n))[::-1]
        if s.values["order"] > 0.2:
            edges = np.linspace(1, 1 / n, n)
        turn, tone = rng.uniform(0, TAU), GROUND
        for k, edge in enumerate(edges):
            last = tone if k else GROUND
            inner = edges[k + 1] if k + 1 < n and s.values["weight"] < -0.3 else 0.0
            inner = edge - (edge - inner) * s.mix("weight", 0.5, 1.0) if inner else 0.0
            for q in range(quarters):
                a = turn + TAU * q / quarters + (k % 2) * 0.0
                whole = quarters == 1 and not inner
                sweep = TAU / quarters + 0.01
                piece = (ellipse(x, y, edge * r, edge * r) if whole
                         else wedge(x, y, inner * r, edge * r, a, sweep))  # fmt: skip
                tone = s.apart(GROUND if inner else last, 34)
                s.fill(piece, tone, alpha=alpha, gradient=0.3, angle=a + np.pi / 2,
                       steady=quarters > 1)  # fmt: skip
        s.disc(x, y, r * float(edges[-1]) * 0.5, ACCENT if r > 0.2 else LIGHT)


@family(contour=(0.5, 1), direction=(0.6, 1), order=(-0.4, 1), energy=(-0.3, 1),
        density=(-0.7, 0.9), depth=(-0.8, 0.7))  # fmt: skip
def spiral(s: Scene) -> None:
    """Arms that wind out of one eye."""
    rng = s.rng
    s.ground()
    glaze(s, 3)
    s.traits |= {"spiral", "curved", "coiled", "shows:spiral"}
    fx, fy = focus(s)
    arms = s.count(1, 4)
    turns = s.mix("energy", 2.0, 3.6) / arms**0.5
    t = np.linspace(0.03, 1, 110)
    way, alpha = rng.choice([-1, 1]), depth_alpha(s, 1, 0.8)
    start = rng.uniform(0, TAU)
    loose = 0.05 * (1 - s.values["order"])
    reach = rng.uniform(0.62, 0.85)
    pitch = reach / (turns * arms)
    tone = GROUND
    for k in range(arms):
        a = start + TAU * k / arms + way * TAU * turns * t**0.85
        r = reach * t * (1 + loose * np.sin(1.37 * a + rng.uniform(0, TAU)))
        line = np.stack([fx + r * np.cos(a), fy + r * np.sin(a)], axis=1)
        width = pitch * s.mix("weight", 0.42, 0.8) * t**0.35 * (1 - 0.75 * (t > 0.93))
        tone = s.apart(GROUND, 36) if k % 2 == 0 else s.apart(tone, 30)
        if s.values["texture"] > 0.3:
            s.stroke(line, tone, float(width.max()), taper=0.3, bristles=7, alpha=alpha)
        else:
            s.fill(ribbon(line, width), tone, alpha=alpha, gradient=0.4, steady=True)
        if rng.random() < 0.6:
            s.line(line, s.against(tone), 0.004, alpha=0.7)
    s.disc(fx, fy, 0.03, ACCENT)


@family(contour=(-0.8, 0.1), direction=(0.3, 1), order=(-0.3, 1), energy=(0, 1),
        density=(-0.6, 1), depth=(-0.8, 0.5))  # fmt: skip
def sunburst(s: Scene) -> None:
    """Rays from a disc, to the edges of the sheet."""
    rng = s.rng
    s.ground()
    s.traits |= {
        "radial",
        "rayed",
        "shows:radial",
        "explosive" if s.values["energy"] > 0.35 else "luminous",
    }
    fx, fy = focus(s)
    n = s.count(8, 18) * 2
    shares = rng.dirichlet(np.full(n, 2 + 40 * max(s.values["order"], 0))) * TAU
    a = rng.uniform(0, TAU)
    if s.values["order"] > 0.6:
        s.traits |= {"regular", "balanced"}
    alpha = depth_alpha(s, 1, 0.9)
    rays = [s.apart(GROUND, 38)]
    rays.append(s.apart(rays[0], 30))
    for i, sweep in enumerate(shares):
        tone = rays[0] if i % 2 else int(rng.choice([GROUND, GROUND, rays[1]]))
        far = 1.6 if s.values["energy"] < 0.5 else rng.uniform(0.35, 1.5)
        width = sweep * s.mix("weight", 0.6, 1.0)
        s.fill(wedge(fx, fy, 0.0, far, a, width), tone, alpha=alpha, angle=a + np.pi / 2,
               gradient=0.3, shade=rng.uniform(-0.3, 0.5), steady=True)  # fmt: skip
        a += sweep
    r = rng.uniform(0.08, 0.17)
    for k in range(5):
        s.disc(fx, fy, r * (1.9 - 0.2 * k), LIGHT, alpha=0.13, soft=0.02, gradient=0)
    core = ellipse(fx, fy, r, r) if s.values["contour"] > -0.4 else regular(fx, fy, r, 8)
    s.fill(core, ACCENT, gradient=0.5)
    s.disc(fx, fy, r * 0.62, s.pick(0), gradient=0.4)
    s.disc(fx, fy, r * 0.25, LIGHT)


@family(contour=(0.5, 1), direction=(0.5, 1), weight=(-1, 0), order=(-0.8, 0.8),
        density=(-1, 0.4), depth=(0, 1), energy=(-0.4, 0.4))  # fmt: skip
def orbits(s: Scene) -> None:
    """Ellipses about one body, drawn with a pen, smaller bodies on them."""
    rng = s.rng
    s.ground()
    divide(s)
    glaze(s, 4)
    s.traits |= {"delicate", "orbital"}
    fx, fy = focus(s)
    n = s.count(3, 11)
    for i in range(n):
        r = rng.uniform(0.16, 0.5)
        tilt = rng.uniform(0, np.pi) if s.values["order"] < 0.3 else 0.4
        x, y = np.array([fx, fy]) + rng.normal(0, 0.04 * (1 - s.values["order"]), 2)
        path = ellipse(x, y, r, r * rng.uniform(0.35, 0.7), tilt, 64)
        tone = s.apart(GROUND, 40) if i % 3 else s.against(GROUND)
        s.line(path, tone, rng.choice([0.009, 0.012, 0.017]), closed=True,
               alpha=rng.uniform(0.75, 1))  # fmt: skip
        if rng.random() < 0.7:
            px, py = path[int(rng.integers(64))]
            size = 0.022 + 0.04 * rng.random() ** 2
            s.disc(px, py, size * 2, s.pick(0.2), alpha=0.25, soft=size * 0.6, gradient=0)
            s.disc(px, py, size, s.pick(0.25), gradient=0.6)
    s.disc(fx, fy, 0.09, s.pick(0), alpha=0.35, soft=0.03, gradient=0)
    s.disc(fx, fy, 0.075, s.against(GROUND), gradient=0.3)
    s.disc(fx, fy, 0.055, ACCENT, gradient=0.6)
