"""From words to a picture, all of it at once: noise, form and words to latents, step by step.

With x the latents, of standard normal noise at first, and `level` their share of noise:

    for k = steps .. 1:
        clean = painter(x, level = k / steps, form, words)
        x = x + (clean - x) * (1 / k)

Each operation is of float32 numbers and rounded by itself, so that the same noise and the same
predictions give the same latents on every machine. A drawing that takes its start from a picture
has latents of (1 - s) parts of it and s parts of noise, and the levels are s k / steps.

A larger picture has overlapping windows, which share one grid of latents: at each step their
predictions are averaged, with weights that fall towards a window's edges. Where edges meet, windows
run across them. Each window has indices of its own.

Sources: Lipman et al. 2023, arXiv:2210.02747 (flow matching); Meng et al. 2022, arXiv:2108.01073
(drawing on from a noised picture); Lugmayr et al. 2022, arXiv:2201.09865 (putting back what is
known at each step); Bar-Tal et al. 2023, arXiv:2302.08113 (windows that are averaged at each step).
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import groupby

import numpy as np
import numpy.typing as npt

from t2a_edge.drawing import Drawing, drawn_windows
from t2a_edge.fields import noised, window_forms
from t2a_edge.layout import CHUNK, Layout, latent_numbers, merged, window_cells, window_weights
from t2a_edge.noise import normal_noise
from t2a_edge.runner import PainterInputs, Runner
from t2a_edge.spec import Spec

Float32Array = npt.NDArray[np.float32]
Int64Array = npt.NDArray[np.int64]
UInt8Array = npt.NDArray[np.uint8]
Place = tuple[int, int]  # number of a drawing and of one of its windows

PLAIN = Layout()


def paint_steps(
    runner: Runner, spec: Spec, drawings: Sequence[Drawing], layout: Layout = PLAIN
) -> Iterator[Float32Array]:
    """Draw pictures, all of them at once, each in its own number of steps.

    Args:
        runner: runs the forms and painter engines.
        layout: of every picture.

    Yields:
        Latents (B, n, D) float32 after each step: those of the picture as it looks so far, and
        as the last the finished ones. Copy what is to be kept.
    """
    canvas = _Canvas(runner, spec, drawings, layout)
    for step in range(max((drawing.options.steps for drawing in drawings), default=0)):
        yield canvas.stepped(step)


class _Canvas:
    """The latents of some pictures of one layout while they are drawn, and their windows."""

    def __init__(
        self, runner: Runner, spec: Spec, drawings: Sequence[Drawing], layout: Layout
    ) -> None:
        self.runner, self.spec, self.drawings, self.layout = runner, spec, drawings, layout
        self.cells = [window_cells(layout, spec.side, window) for window in layout.windows]
        height, width = layout.grid(spec.side)
        shape = (len(drawings), height * width, spec.depth)
        self.x, self.seen = np.empty((2, *shape), dtype=np.float32)
        numbers = latent_numbers(layout, spec.side)
        for x, drawing in zip(self.x, drawings, strict=True):
            noise = drawing.noise(lambda seed, off: normal_noise(seed, numbers + off, spec.depth))
            x[:] = _start(drawing, noise)
        self.forms = window_forms(runner, spec, drawings, layout)  # (B, windows, 64, 64)
        self.drawn = drawn_windows(spec, drawings, layout)

    def stepped(self, step: int) -> Float32Array:
        """One step of those that are not finished; how the pictures look, (B, n, D)."""
        active = [row for row, d in enumerate(self.drawings) if step < d.options.steps]
        levels = np.zeros(len(self.drawings), dtype=np.float32)
        for row in active:
            drawing = self.drawings[row]
            left = drawing.options.steps - step
            levels[row] = drawing.level * left / drawing.options.steps
        for row, clean in self._predicted(active, levels):
            drawing, x = self.drawings[row], self.x[row]
            left = drawing.options.steps - step
            clean = _put_back(drawing, clean)
            x += (clean - x) * np.float32(1 / left)
            self.seen[row] = _put_back(drawing, x) if left == 1 else clean
        return self.seen

    def _predicted(
        self, active: Sequence[int], levels: Float32Array
    ) -> Iterator[tuple[int, Float32Array]]:
        """The clean latents (n, D) of each active picture, over all its windows."""
        places = [(row, window) for row in active for window in self.drawn[row]]
        found = {
            place: clean
            for chunk in self._chunks(places)
            for place, clean in zip(chunk, self._painted(chunk, levels), strict=True)
        }
        for row in active:
            parts = {window: found.pop((row, window)) for window in self.drawn[row]}
            yield row, merged(self.spec, self.layout, parts)

    def _chunks(self, places: Sequence[Place]) -> Iterator[list[Place]]:
        """Windows that go through the engine at once: of prompts that are laid out alike."""
        for _, alike in groupby(places, lambda place: self._words(place[0])):
            group = list(alike)
            for start in range(0, len(group), CHUNK):
                yield group[start : start + CHUNK]

    def _words(self, row: int) -> int:
        return len(self.drawings[row].conditioning.word_weights)

    def _painted(self, chunk: Sequence[Place], levels: Float32Array) -> Float32Array:
        """The painter's prediction for some windows, (windows, N, D)."""
        drawings = [self.drawings[row] for row, _ in chunk]
        inputs = PainterInputs(
            np.stack([self.x[row, self.cells[window]] for row, window in chunk]),
            levels[[row for row, _ in chunk]],
            np.stack([self.forms[row][window] for row, window in chunk]),
            np.array([drawing.form_level for drawing in drawings], dtype=np.float32),
            np.array([drawing.options.guidance_scale for drawing in drawings], dtype=np.float32),
            np.stack([drawing.conditioning.text_embedding for drawing in drawings]),
            np.stack([drawing.conditioning.word_weights for drawing in drawings]),
        )
        return self.runner.painter(inputs)


def _start(drawing: Drawing, noise: Float32Array) -> Float32Array:
    """Latents at the start, (n, D)."""
    if drawing.given is None:
        return noise
    return noised(drawing.given.latents, noise, drawing.given.level)


def _put_back(drawing: Drawing, latents: Float32Array) -> Float32Array:
    """Latents (n, D) with those that stay.

    Where they are what is predicted, the way from noise leads to them: at each level the latents
    that stay have their share of noise.
    """
    given = drawing.given
    if given is None:
        return latents
    return np.where(given.stays[:, None], given.latents, latents)


def composed(
    runner: Runner,
    spec: Spec,
    drawings: Sequence[Drawing],
    latents: Float32Array,
    layout: Layout = PLAIN,
) -> Int64Array:
    """The indices of pictures: those of each window, in the layout's order, one after another.

    A window of which everything stays has the indices that it had.

    Args:
        runner: runs the composer engine.
        latents: (B, n, D) as `paint_steps` yields them.

    Returns:
        (B, windows * P) int64.
    """
    windows = layout.windows
    indices = np.zeros((len(drawings), len(windows), spec.positions), dtype=np.int64)
    for own, drawing in zip(indices, drawings, strict=True):
        if drawing.given is not None:
            own[:] = drawing.given.indices
    drawn = drawn_windows(spec, drawings, layout)
    places = [(row, window) for row, own in enumerate(drawn) for window in own]
    for start in range(0, len(places), CHUNK):
        chunk = places[start : start + CHUNK]
        cut = [latents[r, window_cells(layout, spec.side, windows[w])] for r, w in chunk]
        for (row, window), found in zip(chunk, runner.composer(np.stack(cut)), strict=True):
            indices[row, window] = found
    return indices.reshape(len(drawings), len(windows) * spec.positions)


def draw_indices(
    runner: Runner,
    spec: Spec,
    drawings: Sequence[Drawing],
    layout: Layout = PLAIN,
    on_step: Callable[[int], None] | None = None,
) -> Int64Array:
    """Draw pictures to the end: (B, windows * P) int64, see `composed`.

    Args:
        runner: runs the forms, painter and composer engines.
        layout: of every picture.
        on_step: is told how many steps are done, after each.
    """
    latents = np.zeros((len(drawings), 0, spec.depth), dtype=np.float32)
    for done, seen in enumerate(paint_steps(runner, spec, drawings, layout), 1):
        latents = seen
        if on_step is not None:
            on_step(done)
    return composed(runner, spec, drawings, latents, layout)


def previews(
    runner: Runner, spec: Spec, drawings: Sequence[Drawing], layout: Layout = PLAIN
) -> Iterator[Int64Array]:
    """The indices of pictures after each step, the finished ones as the last; see `composed`."""
    for latents in paint_steps(runner, spec, drawings, layout):
        yield composed(runner, spec, drawings, latents, layout)


def decoded(runner: Runner, spec: Spec, indices: Int64Array, layout: Layout = PLAIN) -> UInt8Array:
    """Pictures from indices (B, windows * P): (B, H, W, 3) uint8 sRGB; windows are blended."""
    parts = indices.reshape(-1, spec.positions)
    chunks = (runner.decoder(parts[i : i + CHUNK]) for i in range(0, len(parts), CHUNK))
    if layout.is_plain:
        return np.concatenate(list(chunks))
    pixels = (part for chunk in chunks for part in chunk)
    return np.stack([_blended(pixels, spec.image_size, layout) for _ in indices])


def _blended(pixels: Iterator[UInt8Array], size: int, layout: Layout) -> UInt8Array:
    """The next picture of decoded windows, averaged where they overlap: (H, W, 3) uint8."""
    height, width = layout.grid(size)
    shares = window_weights(size).reshape(size, size, 1)
    total = np.zeros((height, width, 3), dtype=np.float32)
    weight = np.zeros((height, width, 1), dtype=np.float32)
    for down, across in layout.windows:
        rows = (down * size // 2 + np.arange(size)) % height
        columns = (across * size // 2 + np.arange(size)) % width
        total[np.ix_(rows, columns)] += shares * next(pixels)
        weight[np.ix_(rows, columns)] += shares
    picture: UInt8Array = np.rint(total / weight).astype(np.uint8)
    return picture
