"""A canvas composed, coded and put together again by whole numbers: the same bits everywhere.

A float32 sum of whole numbers below 2^24 is exact in any order, so what is computed here does not
depend on the runtime. Between the steps numbers are rounded to the units below; a code's entries
are whole numbers already, the steps of the codebook.

    latents     128ths, at most 16
    components  128ths, at most 16
    canvas      32nds of a code's step, at most 511
    vectors     32nds of a code's step, at most 160
    enlarging   weights in 2^-16 for each axis; the sum rounded to the canvas's 32nds
    logits      of a word and a form: 2^-14, at least -32 and at most `chooser.ENOUGH` as they are
                heard; times the word's weight they are rounded to 2^-10 and added up

Weights of a linear map have as many binary digits as its largest possible sum leaves. Matrices
here are whole numbers times powers of two, which change nothing of this. The canvas of some
codes enlarged and added up, for the decoder and for the way back, is of float64 sums of multiples
of 2^-32, which are exact in any order as well.

The coarse scales are coded in what they are averaged to, all side by side: what the codes of one
leave in the finer ones is one product, of weights in 2^-11 of the canvas's 32nds.

This module computes in numpy, the reference; `export.graphs` has the same as ONNX operators.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import torch

from t2a_edge.errors import ExportError
from t2a_edge.form import MOST, SIDE, SPREAD, WHOLE, resampling_matrices
from t2a_edge.scales import average_matrix, enlarge_matrix, scale_offsets
from t2a_edge.spec import BLOCK
from train.models.chooser import ENOUGH
from train.models.codec import MultiScaleQuantizer
from train.models.latents import DeepLatent
from train.models.whole import Bank

Array = npt.NDArray[np.float32]
Int64Array = npt.NDArray[np.int64]
Wide = npt.NDArray[np.float64]

LIMIT = 2.0**24  # sums stay below
INT8_MAX = 127
LATENT_UNIT, MOST_LATENT = 2.0**-7, 16.0
COMPONENT_UNIT, MOST_COMPONENT = 2.0**-7, 16.0
CANVAS_UNIT, MOST_CANVAS = 2.0**-5, 511.0  # of a code's step
VECTOR_UNIT, MOST_VECTOR = 2.0**-5, 160.0
ENCODED_UNIT = 2.0**-2  # of a canvas on its way back to latents
ENLARGE_BITS = 16  # of an axis that is enlarged
LEFT_UNIT = 2.0**-11  # of what codes leave in the averages of finer scales
MOST_COARSE = 8  # side of the scales that are coded in their averages, at most
MAP_BITS = 16  # at most, of a linear map
LOGIT_UNIT, MOST_LOGIT = 2.0**-14, 32.0  # of how likely a word is true of a form
SCORE_UNIT = 2.0**-10  # of a form's score
BYTE = 256  # values of one
ON_A_STEP = 1e-2  # of a step: how far from it an entry of the codebook may lie


@dataclass(frozen=True)
class FixedMap:
    """A linear map from whole numbers to whole numbers.

    Attributes:
        weights: (I, O); each column whole numbers of 16 bits times a power of two.
        offset: (O,), likewise.
        units: (O,), these powers.
    """

    weights: Array
    offset: Array
    units: Array

    def __call__(self, numbers: Array) -> Array:
        """(..., I) whole numbers -> (..., O) whole numbers."""
        result: Array = np.rint(numbers @ self.weights + self.offset)
        return result


def fixed_map(weights: Wide, offset: Wide, most: float) -> FixedMap:
    """Round a linear map so that its sums are exact.

    Args:
        weights: (I, O) from units of the inputs to units of the outputs.
        offset: (O,) in units of the outputs.
        most: largest magnitude of an input, in its units.

    Raises:
        ExportError: there are so many inputs that nothing is left for the weights.
    """
    reach = most * np.abs(weights).sum(0) + np.abs(offset)  # (O,) in units of the outputs
    slack = most * len(weights) / 2 + 1  # what rounding may add, in units of the sum
    if slack >= LIMIT / 2:
        raise ExportError(
            f"A linear map has {len(weights)} inputs of up to {most:g} steps; expected sums below "
            "2^24. Take coarser units in export/fixed.py."
        )
    bits = np.floor(np.log2((LIMIT - slack) / np.maximum(reach, 1e-9))).clip(max=MAP_BITS)
    unit = np.exp2(bits)
    numbers, moved = np.rint(weights * unit), np.rint(offset * unit)
    assert (most * np.abs(numbers).sum(0) + np.abs(moved) < LIMIT).all()
    assert np.abs(numbers).max() < 2**15
    parts = (numbers / unit, moved / unit, 1 / unit)
    return FixedMap(*(part.astype(np.float32) for part in parts))


def whole(values: npt.NDArray[np.floating], unit: float, most: float) -> Array:
    """Round to a unit and bound: any shape -> whole numbers of magnitude at most `most / unit`."""
    numbers = np.rint(values.astype(np.float32) * np.float32(1 / unit))
    result: Array = numbers.clip(-most / unit, most / unit).astype(np.float32)
    return result


def whole_enlarge_matrix(side: int, size: int, bits: int) -> Array:
    """`scales.enlarge_matrix` in whole multiples of 2^-bits, (size, side); rows add up to one."""
    exact = enlarge_matrix(side, size).astype(np.float64) * 2**bits
    matrix = np.rint(exact)
    for row, wanted in zip(matrix, exact, strict=True):
        while left := 2**bits - row.sum():  # where it was rounded furthest the wrong way
            row[np.argmax((wanted - row) * np.sign(left))] += np.sign(left)
    weights: Array = (matrix / 2**bits).astype(np.float32)
    return weights


class FixedCodec:
    """A codec's quantizer and a deep latent in whole numbers.

    Args:
        quantizer: its codebook lies on 255 symmetric steps.

    Raises:
        ExportError: it does not, or sums would not be exact.

    Attributes:
        scales, size: as of the codec; the side of the canvas.
        step: of the codebook's entries.
        codes: (K, C) whole numbers.
        coarse: scales that are coded in their averages, side by side: A places.
        average: (A, base²), from the last of them to all.
        left: (A, A), what codes leave in finer ones, in canvas units.
        halves: (K,) half the squared length of each code and its bias, in units of a product of
            vector and code.
        compose_map, canvas_map: latents to blocks of components, components to canvas.
        component_map, latent_map: the way back.
    """

    def __init__(self, quantizer: MultiScaleQuantizer, latent: DeepLatent) -> None:
        self.scales: tuple[int, ...] = quantizer.config.scales
        self.size = self.scales[-1]
        book = _wide(quantizer.codebook)
        self.step = np.float32(np.abs(book).max() / INT8_MAX)
        self.codes = np.rint(book / self.step).astype(np.float32)
        if np.abs(self.codes * self.step - book).max() > ON_A_STEP * self.step:
            raise ExportError(
                "The codebook does not lie on 255 symmetric steps; expected one that "
                "`train.models.qat.on_int8_grid` has rounded. Load the model from its checkpoint."
            )
        bias = _wide(quantizer.bias) / np.float64(self.step) ** 2
        squares = np.square(self.codes.astype(np.float64)).sum(1)
        self.halves = np.rint((squares + bias) / 2 / VECTOR_UNIT).astype(np.float32)
        self.coarse = tuple(side for side in self.scales[:-1] if side <= MOST_COARSE)
        if not self.coarse:
            raise ExportError(
                f"The scales are {list(self.scales)}; expected one of at most {MOST_COARSE} x "
                f"{MOST_COARSE} before the last."
            )
        self.average, self.left = self._coarse_maps()
        self._check_sums()
        step, rows, back = float(self.step), _wide(latent.rows), _wide(latent.back)
        mean = _wide(latent.mean)
        self.compose_map = fixed_map(
            _wide(latent.block_back).T * (LATENT_UNIT / COMPONENT_UNIT),
            _wide(latent.block_mean) / COMPONENT_UNIT, MOST_LATENT / LATENT_UNIT,
        )  # fmt: skip
        self.canvas_map = fixed_map(
            back.T * (COMPONENT_UNIT / step / CANVAS_UNIT), mean / step / CANVAS_UNIT,
            MOST_COMPONENT / COMPONENT_UNIT,
        )  # fmt: skip
        self.component_map = fixed_map(
            rows.T * (step * ENCODED_UNIT / COMPONENT_UNIT), -(rows @ mean) / COMPONENT_UNIT,
            MOST_CANVAS / ENCODED_UNIT,
        )  # fmt: skip
        block_rows = _wide(latent.block_rows)
        self.latent_map = fixed_map(
            block_rows.T * (COMPONENT_UNIT / LATENT_UNIT),
            -(block_rows @ _wide(latent.block_mean)) / LATENT_UNIT,
            MOST_COMPONENT / COMPONENT_UNIT,
        )  # fmt: skip

    def _coarse_maps(self) -> tuple[Array, Array]:
        """How coarse scales are averaged, and what their codes leave in finer ones."""
        sides, base, size = self.coarse, self.coarse[-1], self.size
        averages = [average_matrix(base, side).astype(np.float64) for side in sides]
        average = np.concatenate([np.kron(one, one) for one in averages])
        rows = []
        for side in sides:
            down = average_matrix(size, side).astype(np.float64)
            axes = [down @ enlarge_matrix(coarser, size) for coarser in sides]
            rows.append([np.kron(a, a) * (c < side) for a, c in zip(axes, sides, strict=True)])
        left = np.rint(np.block(rows) / CANVAS_UNIT / LEFT_UNIT) * LEFT_UNIT
        return average.astype(np.float32), left.astype(np.float32)

    def _check_sums(self) -> None:
        """Whether averages, products with codes, and what codes leave are exact."""
        residual, sums = MOST_CANVAS, []
        for side in self.scales:
            sums.append(residual / CANVAS_UNIT * (self.size // side) ** 2)
            widest = float(np.abs(enlarge_matrix(side, self.size)).sum(1).max())
            residual += INT8_MAX * widest**2 + 1
        sums += [
            float(left.max()) * INT8_MAX / LEFT_UNIT for left in np.abs(self.left) @ self.masks()
        ]
        lengths = np.abs(self.codes).sum(1)  # (K,)
        sums.append(float((MOST_VECTOR / VECTOR_UNIT * lengths + np.abs(self.halves)).max()))
        if max(sums) >= LIMIT:
            raise ExportError(
                f"A canvas of {self.size} x {self.size} with codes of a length of up to "
                f"{lengths.max():g} steps has sums of up to {max(sums):g}; expected below 2^24. "
                "Take coarser units in export/fixed.py."
            )

    # ---- latents and canvas

    def compose(self, latents: Array) -> Array:
        """Latents (B, N, D) -> canvas (B, C, h, w), whole multiples of CANVAS_UNIT code steps."""
        side = self.size // BLOCK
        blocks = self.compose_map(whole(latents, LATENT_UNIT, MOST_LATENT))  # (B, N, K * 16)
        blocks = blocks.clip(*_ends(MOST_COMPONENT, COMPONENT_UNIT))
        cut = blocks.reshape(len(blocks), side, side, -1, BLOCK, BLOCK)
        grid = cut.transpose(0, 1, 4, 2, 5, 3)  # (B, side, 4, side, 4, K)
        canvas = self.canvas_map(grid.reshape(len(blocks), self.size, self.size, -1))
        return canvas.transpose(0, 3, 1, 2).clip(*_ends(MOST_CANVAS, CANVAS_UNIT))

    def latents(self, canvas: Array) -> Array:
        """A canvas of codes (B, C, h, w), in code steps -> latents (B, N, D)."""
        side = self.size // BLOCK
        numbers = whole(canvas, ENCODED_UNIT, MOST_CANVAS).transpose(0, 2, 3, 1)
        components = self.component_map(numbers)  # (B, h, w, K)
        components = components.clip(*_ends(MOST_COMPONENT, COMPONENT_UNIT))
        cut = components.reshape(len(canvas), side, BLOCK, side, BLOCK, -1)
        blocks = cut.transpose(0, 1, 3, 5, 2, 4).reshape(len(canvas), side * side, -1)
        latents: Array = self.latent_map(blocks) * np.float32(LATENT_UNIT)
        return latents

    # ---- indices

    def code(self, canvas: Array) -> Int64Array:
        """A canvas as `compose` gives it -> indices (B, N) int64."""
        averaged = _rows(self._averaged(canvas, self.coarse[-1]))
        vectors: Array = self.average @ averaged  # (B, A, C)
        for mask in self.masks():
            codes = self.codes[self._nearest(vectors)] * mask
            vectors = (vectors - self.left @ codes).astype(np.float32)
        found = [self._nearest(vectors)]
        residual = canvas - self._part(found[0], self.coarse)
        sides = self.scales[len(self.coarse) :]
        for number, side in enumerate(sides):
            if number:
                residual = residual - self._part(found[-1], (sides[number - 1],))
            found.append(self._nearest(_rows(self._averaged(residual, side))))
        return np.concatenate(found, axis=1)

    def masks(self) -> Array:
        """Which places of the coarse scales each of them but the last has: (n - 1, A, 1)."""
        of = np.repeat(np.arange(len(self.coarse)), np.square(self.coarse))
        masks: Array = (of == np.arange(len(self.coarse) - 1)[:, None])[..., None].astype(
            np.float32
        )
        return masks

    def _averaged(self, grid: Array, side: int) -> Array:
        average = average_matrix(self.size, side)
        averaged: Array = (average @ grid @ average.T).astype(np.float32)
        return averaged  # (B, C, side, side)

    def _nearest(self, vectors: Array) -> Int64Array:
        """(B, n, C) in canvas units -> (B, n), the first of the nearest codes."""
        numbers = np.rint(vectors * np.float32(CANVAS_UNIT / VECTOR_UNIT))
        numbers = numbers.clip(*_ends(MOST_VECTOR, VECTOR_UNIT)).astype(np.float32)
        chosen: Int64Array = (numbers @ self.codes.T - self.halves).argmax(-1)
        return chosen

    def _part(self, chosen: Int64Array, scales: Sequence[int]) -> Array:
        """Indices of some scales (B, n) -> their part of the canvas, in canvas units."""
        part: Array = np.rint(self.enlarged(chosen, scales) / CANVAS_UNIT).astype(np.float32)
        return part

    def enlarged(self, chosen: Int64Array, scales: Sequence[int]) -> Wide:
        """Indices of some scales (B, n) -> their sum (B, C, h, w), in code steps."""
        offsets, shape = scale_offsets(scales), (len(chosen), self.codes.shape[1])
        total = np.zeros((*shape, self.size, self.size), dtype=np.float64)
        for side, (start, end) in zip(scales, pairwise(offsets), strict=True):
            codes = self.codes[chosen[:, start:end]].transpose(0, 2, 1)  # (B, C, side²)
            matrix = whole_enlarge_matrix(side, self.size, ENLARGE_BITS).astype(np.float64)
            total += matrix @ codes.reshape(*shape, side, side) @ matrix.T
        return total

    def canvas(self, indices: Int64Array) -> Array:
        """Indices (B, N) -> canvas of all codes (B, C, h, w), in code steps."""
        return self.enlarged(indices, self.scales).astype(np.float32)

    # ---- engines

    def composer(self, latents: Array) -> Int64Array:
        """The composer engine: latents (B, N, D) -> indices (B, positions) int64."""
        return self.code(self.compose(latents))

    def encoder(self, indices: Int64Array) -> Array:
        """The encoder engine: indices (B, positions) -> latents (B, N, D)."""
        return self.latents(self.canvas(indices))

    def block_places(self, scales: Sequence[int]) -> Int64Array:
        """Where the codes of some scales stand on the diagonal of one matrix.

        Returns:
            (A, A), A the sum of their sides: numbers of their positions, and the count of these
            where there is none.
        """
        offsets, total, start = scale_offsets(scales), sum(scales), 0
        places = np.full((total, total), offsets[-1], dtype=np.int64)
        for number, side in enumerate(scales):
            own = np.arange(side * side).reshape(side, side) + offsets[number]
            places[start : start + side, start : start + side] = own
            start += side
        return places

    def block_enlarge(self, scales: Sequence[int]) -> Wide:
        """What enlarges some scales, side by side: (size, A) float64."""
        parts = [whole_enlarge_matrix(side, self.size, ENLARGE_BITS) for side in scales]
        return np.concatenate(parts, axis=1).astype(np.float64)


def _rows(grid: Array) -> Array:
    """(B, C, h, w) -> (B, h w, C)."""
    return grid.reshape(*grid.shape[:2], -1).transpose(0, 2, 1)


def _ends(most: float, unit: float) -> tuple[float, float]:
    return -most / unit, most / unit


def _wide(tensor: torch.Tensor) -> Wide:
    array: Wide = tensor.detach().double().numpy()
    return array


class FixedForms:
    """How words choose a form of the bank, and a crop of it, in whole numbers.

    Attributes:
        codes: (M, N, S) int16.
        columns: (Q + 1, M) int8, the keys, and behind them a row of ones for the words' biases.
        asked_scale: (Q + 1,), turns what words ask into whole numbers.
        most_asked: (Q + 1,), their largest magnitudes; a logit's sum then stays below 2^24.
        enough, least: bounds of a logit, in LOGIT_UNIT.
        weight_scale, score_unit, form_unit: powers of two, of a word's weight, of a form's score
            and of cropped forms.
        rows: (S * K, P) int8, the rows of all tables.
        patch: side of the patches that codes stand for.
        places: (M, S * N), which row of its table each part of a form is, table by table; uint8
            where 256 rows are all that a table has, else int16.
        starts: (S * N,) int64, where each part's table begins in `rows`.
        crop_places: (32, 64) float32, where each output of a crop lies, in 64ths of an input.
    """

    enough, least = ENOUGH / LOGIT_UNIT, -MOST_LOGIT / LOGIT_UNIT
    weight_scale, score_unit = LOGIT_UNIT / SCORE_UNIT, SCORE_UNIT
    form_unit = 1 / (WHOLE * WHOLE * SPREAD)

    def __init__(self, bank: Bank) -> None:
        keys = bank.keys.numpy().astype(np.int8)  # (M, Q)
        self.columns = np.concatenate([keys.T, np.ones((1, len(keys)), dtype=np.int8)])
        scales = [*[bank.key_step] * keys.shape[1], 1]
        self.asked_scale = (np.array(scales) / LOGIT_UNIT).astype(np.float32)
        most_bias = MOST_LOGIT / LOGIT_UNIT
        lengths = np.abs(keys.astype(np.int64)).sum(1).max()
        most = (LIMIT - 1 - most_bias) // max(1, lengths)
        self.most_asked = np.array([*[most] * keys.shape[1], most_bias], dtype=np.float32)
        self.codes = bank.codes.numpy().astype(np.int16)
        tables = bank.codec.tables.numpy().astype(np.int8)  # (S, K, P)
        stages, count = tables.shape[:2]
        self.patch = bank.codec.patch
        self.rows = tables.reshape(-1, tables.shape[-1])
        places = self.codes.transpose(0, 2, 1).reshape(len(keys), -1)  # (M, S * N)
        self.places = places.astype(np.uint8 if count <= BYTE else np.int16)
        self.starts = np.repeat(np.arange(stages, dtype=np.int64) * count, self.codes.shape[1])
        self.crop_places = resampling_matrices() @ np.arange(SIDE, dtype=np.float32)

    def scores(self, asked: Array, word_weights: Array) -> Array:
        """`Bank.scores`: asked (B, W, Q + 1), weights (B, W) -> (B, M) in units of SCORE_UNIT.

        They are exact where the magnitudes of a prompt's weights add up to 512 at most.
        """
        numbers = np.rint(asked * self.asked_scale).clip(-self.most_asked, self.most_asked)
        weights = word_weights[..., None]
        signed = (numbers * np.sign(weights)).astype(np.float32)
        logits = (signed @ self.columns.astype(np.float32)).clip(self.least, self.enough)
        scores: Array = np.rint(logits * (np.abs(weights) * np.float32(self.weight_scale))).sum(1)
        return scores

    def choice(self, asked: Array, word_weights: Array, noise: Array) -> Int64Array:
        """What words ask (B, W, Q + 1), weights (B, W), noise (B, M) -> numbers of forms (B,)."""
        scores = self.scores(asked, word_weights) * np.float32(self.score_unit)
        chosen: Int64Array = (scores + noise).argmax(1)
        return chosen

    def form(self, choice: Int64Array, crop: Int64Array) -> Array:
        """Numbers of forms (B,) and of windows (B, 2) -> (B, 64, 64) float32 of spread 1."""
        tables = self.rows.reshape(self.codes.shape[2], -1, self.rows.shape[1])
        total = np.zeros((len(choice), self.codes.shape[1], tables.shape[2]), dtype=np.int64)
        for stage, table in enumerate(tables):
            total += table[self.codes[choice, :, stage]]
        count = SIDE // self.patch
        cut = total.clip(-MOST, MOST).reshape(len(choice), count, count, self.patch, -1)
        whole_form = cut.transpose(0, 1, 3, 2, 4).reshape(-1, SIDE, SIDE).astype(np.float32)
        matrices = resampling_matrices()
        down, across = matrices[crop[:, 0]], matrices[crop[:, 1]].transpose(0, 2, 1)
        form = down @ whole_form @ across * np.float32(self.form_unit)
        return form.astype(np.float32)
