"""The sheet being painted: shapes in unit coordinates, and the guide for its surface.

Two skia surfaces are drawn at once. One holds colour; the other, the guide, holds for each pixel
how the paint was laid (direction of the brush, strength of its fibres, which strip of fibres), and
`finish` turns it into fibres, relief and grain. That keeps texture in unit coordinates at the cost
of one flat shape, where skia's own image shaders take milliseconds each.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt
import skia

from train.studio.colour import FloatArray
from train.studio.palette import ACCENT, GROUND, INK, LIGHT, Palette, mix_palette
from train.studio.shapes import Points, ellipse, resample, ribbon, wobble

Traits = set[str]


class Scene:
    """One picture in the making.

    Args:
        size: side in pixels.
        values: every axis to a number in [-1, 1].
        hues: names of up to two dominant hues.
        seed: of all chance; the same seed at another size paints the same picture.
    """

    def __init__(self, size: int, values: dict[str, float], hues: tuple[str, ...], seed: int):
        self.size, self.values, self.hues = size, values, hues
        self.rng = np.random.default_rng((seed, 1))
        self.palette: Palette = mix_palette(values, hues, np.random.default_rng((seed, 2)))
        # with one hue asked for, the third main colour is a rest for the eye
        self.asked = [m for k, m in enumerate(self.palette.main) if k != 2 or len(hues) != 1]
        self.traits: Traits = set()
        self.surface_rng = np.random.default_rng((seed, 3))
        self.pixels = np.zeros((size, size, 4), np.uint8)
        self.guide = np.zeros((size, size, 4), np.uint8)
        self._surfaces = (skia.Surface(self.pixels), skia.Surface(self.guide))
        self.canvas, self._guide_canvas = (s.getCanvas() for s in self._surfaces)
        self.canvas.scale(size, size)
        self._guide_canvas.scale(size, size)
        self._guide_canvas.clear(0xFF000000)
        self.rough = max(values["texture"], 0.0)
        # modelling of shapes: cut from plain colour, shaded a little, or fully
        flat = 0.62 - 0.4 * values["texture"] - 0.25 * max(values["depth"], 0.0)
        self.modelling = float(self.surface_rng.choice([0.0, 0.45, 1.0], p=_odds(flat)))
        self.wet = False  # soft or thin paint, on which no stiff brush leaves its hairs
        self.blur = 0.0  # sigma of a last softening, share of the side
        self.stage = (0.5, 0.5, 0.75)  # middle and reach of where the pattern is

    def mix(self, axis: str, low: float, high: float) -> float:
        """Somewhere between low (axis at -1) and high (axis at 1)."""
        return low + (high - low) * (self.values[axis] + 1) / 2

    def count(self, low: int, high: int, axis: str = "density") -> int:
        """A number of things, spaced evenly in ratio along an axis, with a little chance."""
        ratio: float = (high / low) ** ((self.values[axis] + 1) / 2)
        return max(round(float(low * ratio * self.rng.uniform(0.85, 1.15))), 1)

    def pick(self, accent: float = 0.08) -> int:
        """A colour: mostly the main ones by weight, the accent now and then."""
        if self.rng.random() < accent:
            return ACCENT
        tone = int(self.rng.choice(self.palette.main, p=self.palette.weights))
        if tone not in self.asked and self.rng.random() < 0.5:
            return self.asked[0]  # the hue that was asked for leads
        return tone

    def against(self, tone: int) -> int:
        """INK or LIGHT, whichever is further in L* from a colour."""
        level = self.palette.lab[:, 0]
        return INK if abs(level[INK] - level[tone]) > abs(level[LIGHT] - level[tone]) else LIGHT

    def behind(self, *tones: int) -> int:
        """INK or LIGHT, whichever stands off in L* from all of some colours."""
        level = self.palette.lab[:, 0]
        return max((INK, LIGHT), key=lambda row: min(abs(level[row] - level[t]) for t in tones))

    def apart(self, tone: int, least: float = 26.0) -> int:
        """A colour that can be told from another by eye and in grey: so far away in Lab."""
        light = np.abs(self.palette.lab[:, 0] - self.palette.lab[tone, 0])
        gap = np.linalg.norm((self.palette.lab - self.palette.lab[tone]) * (1, 0.7, 0.7), axis=1)
        # where a hue was asked for, the main colours carry it and the others only relieve it
        rows = [*self.palette.main, *self.palette.main, INK, LIGHT, ACCENT]
        if self.hues:
            own = [r for r in self.asked if gap[r] >= 0.6 * least and light[r] >= 0.4 * least]
            if own and self.rng.random() < 0.6:
                return int(self.rng.choice(own))
            rows = [*self.asked * 3, *self.palette.main, INK, LIGHT]
        far = [row for row in rows if gap[row] >= min(least, 0.75 * float(gap[rows].max()))]
        apart = min(0.5 * least, 0.75 * float(light[far].max()))  # a grey copy tells them too
        return int(self.rng.choice([row for row in far if light[row] >= apart]))

    def colour(self, tone: int, shade: float = 0.0, alpha: float = 1.0) -> int:
        """A packed ARGB colour near a palette colour."""
        rgb = self.palette.packed(tone, shade, int(self.rng.integers(64)))
        return round(255 * min(max(alpha, 0.0), 1.0)) << 24 | rgb

    def ground(self, tone: int = GROUND, shade: float = 0.0, angle: float | None = None) -> None:
        """Cover the whole sheet."""
        whole = np.array([[-0.1, -0.1], [1.1, -0.1], [1.1, 1.1], [-0.1, 1.1]])
        self.fill(whole, tone, shade=shade, angle=angle, gradient=0.12, steady=True)
        for _ in range(36):  # laid in patches: one direction over a whole sheet looks like rain
            x, y, r = self.rng.uniform(0, 1, 3)
            patch = ellipse(x, y, 0.08 + 0.16 * r, 0.06 + 0.1 * r, 3 * x, 12)
            angle = self.rng.normal(0.3, 0.3) % np.pi
            self._guide_canvas.drawPath(path_of(patch, True), self._mark(angle, 0.5))

    def fill(
        self,
        points: Points | Any,
        tone: int,
        *,
        shade: float | None = None,
        alpha: float = 1.0,
        soft: float = 0.0,
        angle: float | None = None,
        gradient: float | None = None,
        steady: bool = False,
        mode: Any = None,
    ) -> None:
        """Paint a closed shape.

        Args:
            points: (n, 2) outline, or a skia path.
            tone: row of the palette.
            shade: -1 darker to 1 lighter; by chance when not given.
            alpha: opacity in [0, 1].
            soft: blur of the edge, as a share of the side.
            angle: direction of the brush in radians.
            gradient: change of shade across the shape; 0 is flat.
            steady: keep the edge exact in place of a hand's.
            mode: skia blend mode.
        """
        rng = self.rng
        shade = rng.uniform(-0.35, 0.35) if shade is None else shade
        angle = rng.uniform(0, np.pi) if angle is None else angle
        gradient = 0.1 + 0.35 * rng.random() * (1 + self.rough) if gradient is None else gradient
        gradient *= self.modelling
        if isinstance(points, np.ndarray):
            points = points if steady else self.hand(points)
            path, low, high = path_of(points, True), points.min(axis=0), points.max(axis=0)
        else:
            path, bounds = points, points.getBounds()
            low = np.array([bounds.left(), bounds.top()])
            high = np.array([bounds.right(), bounds.bottom()])
        paint = skia.Paint(AntiAlias=True, Color=self.colour(tone, shade, alpha))
        if gradient > 0.05:
            middle, reach = (low + high) / 2, float(np.hypot(*(high - low))) / 2
            across = np.array([-np.sin(angle), np.cos(angle)]) * reach
            ends = [skia.Point(*(middle - across)), skia.Point(*(middle + across))]
            shades = [self.colour(tone, shade + d * gradient, alpha) for d in (-1, 1)]
            paint.setShader(skia.GradientShader.MakeLinear(ends, shades))
        if soft > 0:
            paint.setMaskFilter(skia.MaskFilter.MakeBlur(skia.kNormal_BlurStyle, soft))
        if mode is not None:
            paint.setBlendMode(mode)
        self.canvas.drawPath(path, paint)
        if alpha > 0.3 and soft < 0.012:
            self._guide_canvas.drawPath(path, self._mark(angle))

    def many(
        self, polygons: Iterable[Points], tone: int, *, shade: float = 0.0, alpha: float = 1.0,
        angle: float | None = None, strength: float = 1.0,
    ) -> None:  # fmt: skip
        """Flat shapes of one colour with exact edges, all at once: quick for hundreds."""
        path = skia.Path()
        for points in polygons:
            path.addPoly([skia.Point(x, y) for x, y in points.tolist()], True)
        self.canvas.drawPath(
            path, skia.Paint(AntiAlias=True, Color=self.colour(tone, shade, alpha))
        )
        angle = self.rng.uniform(0, np.pi) if angle is None else angle
        self._guide_canvas.drawPath(path, self._mark(angle, strength))

    @contextmanager
    def within(self, path: Any) -> Iterator[None]:
        """Nothing is painted outside of a skia path meanwhile."""
        for canvas in (self.canvas, self._guide_canvas):
            canvas.save()
            canvas.clipPath(path, skia.ClipOp.kIntersect, canvas is self.canvas)
        try:
            yield
        finally:
            for canvas in (self.canvas, self._guide_canvas):
                canvas.restore()

    def bands(self, levels: list[tuple[FloatArray, int, float]]) -> None:
        """Lay colours over the whole sheet by coverage, one after another.

        Args:
            levels: (coverage (size, size) in [0, 1], row of the palette, shade) each.
        """
        picture = self.pixels[..., :3].astype(np.float32)  # (size, size, 3)
        for cover, tone, shade in levels:
            packed = self.colour(tone, shade)
            rgb = np.array([packed >> 16 & 255, packed >> 8 & 255, packed & 255], np.float32)
            picture += (rgb - picture) * cover[..., None]
        self.pixels[..., :3] = picture + 0.5
        self.pixels[..., 3] = 255

    def _mark(self, angle: float, strength: float = 1.0) -> Any:
        turn = int(angle / np.pi * 256) % 256
        # some shapes are laid on flat, others with a loaded brush
        force = int(255 * min(strength * (0.15 + 1.0 * self.rng.random() ** 0.6), 1.0))
        strip = int(self.rng.integers(256))
        return skia.Paint(Color=255 << 24 | turn << 16 | force << 8 | strip)

    def hand(self, points: Points, amount: float | None = None) -> Points:
        """An outline as a hand would draw it: steadier on a smooth picture."""
        amount = 0.0012 + 0.006 * self.rough if amount is None else amount
        extent = float(np.ptp(points, axis=0).max())
        amount = min(amount, 0.03 * extent)  # a small dot stays a dot
        if self.values["texture"] < -0.35 or amount < 0.0004:
            return points
        n = max(len(points), 28) if len(points) < 40 else len(points)
        line = resample(points, n, closed=True) if len(points) < 12 else points
        if len(points) < 12:  # keep the corners
            line = np.vstack([_edge(points[i], points[(i + 1) % len(points)], 6)
                              for i in range(len(points))])  # fmt: skip
        shift = np.stack([wobble(self.rng, len(line), 7) for _ in range(2)], axis=1)
        return np.asarray(line + amount * shift)

    def line(
        self, points: Points, tone: int, width: float, *, shade: float = 0.0, alpha: float = 1.0,
        round_: bool = True, closed: bool = False, soft: float = 0.0, mode: Any = None,
    ) -> None:  # fmt: skip
        """A line of even width."""
        paint = skia.Paint(
            AntiAlias=True, Color=self.colour(tone, shade, alpha), Style=skia.Paint.kStroke_Style,
            StrokeWidth=width, StrokeJoin=skia.Paint.kRound_Join,
            StrokeCap=skia.Paint.kRound_Cap if round_ else skia.Paint.kButt_Cap,
        )  # fmt: skip
        if soft > 0:
            paint.setMaskFilter(skia.MaskFilter.MakeBlur(skia.kNormal_BlurStyle, soft))
        if mode is not None:
            paint.setBlendMode(mode)
        self.canvas.drawPath(path_of(points, closed), paint)

    def disc(self, x: float, y: float, r: float, tone: int, **how: Any) -> None:
        """A filled circle; keywords as `fill`."""
        self.fill(ellipse(x, y, r, r, 0, max(int(16 + 90 * r), 14)), tone, **how)

    def stroke(
        self, points: Points, tone: int, width: float, *, shade: float = 0.0, alpha: float = 1.0,
        taper: float = 0.5, bristles: int = 0, dry: float = 0.0, uneven: float = 0.0,
    ) -> None:  # fmt: skip
        """A brush stroke: a tapering ribbon with hairs of differing shade along it.

        Args:
            points: (n, 2) its middle line.
            tone: row of the palette.
            width: of the brush, share of the side.
            shade: -1 darker to 1 lighter.
            alpha: opacity.
            taper: 0 blunt to 1 pointed ends.
            bristles: hairs drawn over the body; 0 leaves them to the surface's fibres.
            dry: how early the brush runs out of paint, in [0, 1].
            uneven: how much the width wanders, in [0, 1].
        """
        n = len(points)
        t = np.linspace(0, 1, n)
        swell = 1 - taper * (1 - np.sin(np.pi * np.clip(t * 0.94 + 0.03, 0, 1)) ** 0.6)
        widths = (
            width
            * swell
            * np.maximum(1 + (uneven + 0.1 * self.rough) * wobble(self.rng, n, 5), 0.2)
        )
        d = points[-1] - points[0]
        angle = float(np.arctan2(d[1], d[0]))
        full = max(int(n * (1 - 0.55 * dry)), 3)  # the body ends where the brush runs dry
        outline = ribbon(points[:full], np.maximum(widths[:full], 1e-4))
        body = path_of(outline, True)
        paint = skia.Paint(AntiAlias=True, Color=self.colour(tone, shade, alpha))
        if dry > 0:
            paint.setMaskFilter(skia.MaskFilter.MakeBlur(skia.kNormal_BlurStyle, 0.0035))
        self.canvas.drawPath(body, paint)
        if alpha > 0.3:
            self._guide_canvas.drawPath(body, self._mark(angle))
        if bristles:
            self._bristles(points, widths, tone, shade, alpha, bristles, dry)

    def _bristles(
        self, points: Points, widths: npt.NDArray[np.float64], tone: int, shade: float,
        alpha: float, count: int, dry: float,
    ) -> None:  # fmt: skip
        rng, n = self.rng, len(points)
        d = np.gradient(points, axis=0)
        normal = np.stack([-d[:, 1], d[:, 0]], axis=1)
        normal /= np.maximum(np.hypot(d[:, 0], d[:, 1]), 1e-9)[:, None]
        hair = float(widths.max()) / count * 1.25
        for offset in (np.arange(count) + 0.5) / count - 0.5:
            # hairs at the edge of the brush run dry first
            edge = 1 + 1.2 * abs(offset)
            start = int(rng.integers(0, max(n // 12, 1)))
            stop = n - int(rng.integers(0, max(int(n * (0.08 + 0.5 * dry) * edge), 1)))
            if stop - start < 3:
                continue
            stray = offset * widths * (1 + 0.12 * rng.normal())
            line = points + normal * stray[:, None]
            tint = shade + rng.normal(0, 0.3 + 0.25 * self.rough)
            self.line(line[start:stop], tone, hair * rng.uniform(0.4, 1.1), shade=tint,
                      alpha=alpha * rng.uniform(0.5, 1.0))  # fmt: skip

    def splatter(
        self, x: float, y: float, reach: float, count: int, tone: int, size: float
    ) -> None:
        """Drops flung from a point: many small, few large, some with a tail."""
        rng = self.rng
        away = rng.uniform(0, 2 * np.pi)
        for _ in range(count):
            turn = away + rng.normal(0, 1.3)
            far = reach * abs(rng.normal(0, 0.6))
            r = size * min(rng.pareto(2.2) * 0.35 + 0.12, 1.6)
            px, py = x + far * np.cos(turn), y + far * np.sin(turn)
            if rng.random() < 0.35:
                drop = ellipse(px, py, r * rng.uniform(1.4, 3.2), r * 0.7, turn, 14)
            else:
                drop = ellipse(px, py, r, r * rng.uniform(0.75, 1), turn, 14)
            self.fill(drop, tone, gradient=0, steady=True)


def _odds(flat: float) -> tuple[float, float, float]:
    flat = min(max(flat, 0.1), 0.85)
    return flat, 0.6 * (1 - flat), 0.4 * (1 - flat)


def _edge(a: Points, b: Points, n: int) -> Points:
    return a + (b - a) * (np.arange(n) / n)[:, None]


def path_of(points: Points, closed: bool) -> Any:
    """A skia path through (n, 2) points."""
    return skia.Path.Polygon([skia.Point(x, y) for x, y in points.tolist()], closed)
