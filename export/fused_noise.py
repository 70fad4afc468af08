"""`t2a_edge.noise` as operators of the fused graph: a seed in, the noise of every scale out."""

import numpy as np
import onnx

from export.compose import FLOAT, INT32, Composer
from t2a_edge.noise import LEVELS, PRIME, code_points, neighbour_weights
from t2a_edge.scales import scale_offsets
from t2a_edge.spec import Spec

FAR = -1e4  # stands for a neighbour outside the grid: its noise is never the largest


class NoiseGraph:
    """The noise of one fused graph.

    Args:
        g: the graph under construction.
        seed: (B,) int64.
        temperature: (B,) float32.
        table: (1, levels) float32, `noise.gumbel_table`; None computes it in the graph, where it
            would be the largest constant.
    """

    def __init__(
        self, g: Composer, spec: Spec, seed: str, temperature: str, table: str | None = None
    ) -> None:
        self.g, self.spec, self.temperature = g, spec, temperature
        self.batch_size = g.op("Shape", seed)  # (1,)
        self.keys = self._position_keys(seed)  # (B, N, 3)
        self.table = table or self._gumbel_table()

    def of_scale(self, scale: int, here: str = "") -> str:
        """Noise times temperature: (B, n, K), of all positions of a scale or of some."""
        g, spec = self.g, self.spec
        heat = g.op("Mul", self.temperature, g.number(spec.scale_temperature[scale]))
        heat = g.op("Unsqueeze", heat, g.integers(1, 2))  # (B, 1, 1)
        start, end = scale_offsets(spec.scales)[scale : scale + 2]
        keys = g.slice(self.keys, start, end, 1)
        radius, side = spec.scale_coherence[scale], spec.scales[scale]
        if radius == 0 or side == 1:  # each position for itself
            keys = g.op("Gather", keys, here, axis=1) if here else keys
            return g.op("Mul", self._gumbel(keys), heat)
        noise = g.op("Mul", self._coherent(self._gumbel(keys), side, radius), heat)
        return g.op("Gather", noise, here, axis=1) if here else noise

    def _modulo(self, value: str, divisor: int, kind: type[np.generic]) -> str:
        """The remainder of a number from 0, by division: several times as fast as Mod."""
        g = self.g
        by = g.constant(np.array(divisor, dtype=kind))
        return g.op("Sub", value, g.op("Mul", g.op("Div", value, by), by))

    def _quintic(self, value: str) -> str:
        g = self.g
        value = self._modulo(value, PRIME, np.int64)
        square = self._modulo(g.op("Mul", value, value), PRIME, np.int64)
        fourth = self._modulo(g.op("Mul", square, square), PRIME, np.int64)
        return self._modulo(g.op("Mul", fourth, value), PRIME, np.int64)

    def _position_keys(self, seed: str) -> str:
        """`noise.position_keys` of every position: seed (B,) int64 -> (B, N, 3) int32."""
        g = self.g

        def number(value: int) -> str:
            return g.constant(np.array(value, dtype=np.int64))

        high = g.op("Div", seed, number(2**30))
        low = g.op("Sub", seed, g.op("Mul", high, number(2**30)))
        key = self._quintic(g.op("Add", low, number(0x1F123BB5)))
        key = self._quintic(g.op("Add", g.op("Add", key, high), number(0x05491333)))
        key = g.op("Unsqueeze", key, g.integers(1))  # (B, 1)
        steps = np.arange(self.spec.positions, dtype=np.int64) * 0x2545F491 + 0x3C6EF372
        key = self._quintic(g.op("Add", key, g.constant(steps % PRIME)))  # (B, N)
        key = self._quintic(g.op("Add", key, number(0x1B873593)))
        key = g.op("Unsqueeze", key, g.integers(2))
        steps = np.arange(1, 4, dtype=np.int64) * 0x27D4EB2F
        keys = self._quintic(g.op("Add", key, g.constant(steps % PRIME)))  # (B, N, 3)
        return g.cast(self._modulo(keys, LEVELS, np.int64), INT32)

    def _gumbel_table(self) -> str:
        """`noise.gumbel_table` as (1, levels), computed: it would be the largest constant."""
        g = self.g

        def number(value: float) -> str:
            return g.constant(np.array(value, dtype=np.float64))

        level = g.cast(g.op("Range", number(0), number(LEVELS), number(1)), onnx.TensorProto.DOUBLE)
        share = g.op("Div", g.op("Add", level, number(0.5)), number(LEVELS))
        value = g.op("Neg", g.op("Log", g.op("Neg", g.op("Log", share))))
        steps = g.op("Round", g.op("Mul", value, number(4096)))
        return g.op("Unsqueeze", g.cast(g.op("Div", steps, number(4096)), FLOAT), g.integers(0))

    def _gumbel(self, keys: str) -> str:
        """Keys (B, N, 3) int32 -> (B, N, K)."""
        g = self.g
        points, squares = (g.constant(row) for row in code_points(self.spec.codebook_size))
        first, second, third = (g.slice(keys, i, i + 1, 2) for i in range(3))  # (B, N, 1)
        levels = g.op("Add", g.op("Mul", first, points), g.op("Mul", second, squares))
        levels = self._modulo(g.op("Add", levels, third), LEVELS, np.int32)
        flat = g.op("Reshape", levels, g.integers(1, -1))
        # Gather takes ten times as long here
        found = g.op("GatherElements", self.table, flat, axis=1)
        return g.op("Reshape", found, g.op("Shape", levels))

    def _coherent(self, noise: str, side: int, radius: float) -> str:
        """`noise.coherent_noise`: (B, N, K) -> (B, N, K)."""
        g, codes = self.g, self.spec.codebook_size
        offsets, logs = neighbour_weights(side, radius)
        reach = -offsets[0]
        shape = g.op("Concat", self.batch_size, g.integers(side, side, codes), axis=0)
        field = g.op("Reshape", noise, shape)  # (B, side, side, K)
        for axis in (1, 2):
            margin = [0, 0, 0, 0]
            margin[axis] = reach
            padded = g.op("Pad", field, g.integers(*margin, *margin), g.number(FAR))
            moved = []
            for number, log in enumerate(logs):
                finite = np.where(np.isneginf(log), np.float32(FAR), log)
                weights = finite.reshape((side, 1, 1) if axis == 1 else (side, 1))
                part = g.slice(padded, number, number + side, axis)
                moved.append(g.op("Add", part, g.constant(weights)))
            field = g.op("Max", *moved)
        shape = g.op("Concat", self.batch_size, g.integers(side * side, codes), axis=0)
        return g.op("Reshape", field, shape)
