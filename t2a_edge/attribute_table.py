"""Weights of the attribute measures; made by `python -m bench.attributes --fit`, not by hand."""

from typing import NamedTuple


class Term(NamedTuple):
    """One statistic of a measure: standardised by mean and spread, then weighed."""

    statistic: str
    mean: float
    spread: float
    weight: float


class Measure(NamedTuple):
    """Log-odds as a sum over few statistics."""

    bias: float
    terms: tuple[Term, ...]


AXIS_MEASURES: dict[str, Measure] = {
    "temperature": Measure(
        -0.01,
        (
            Term("emotion_heat", -0.2209, 0.2954, 0.988),
            Term("warm_share", 0.5278, 0.3, 0.865),
            Term("cool_share", 0.1585, 0.208, -0.244),
        ),
    ),
    "lightness": Measure(
        0.171,
        (
            Term("lightness_mean", 54.0681, 17.2985, 0.832),
            Term("light_share", 0.2791, 0.2697, 0.61),
            Term("dark_share", 0.2752, 0.2518, -0.797),
        ),
    ),
    "chroma": Measure(
        -0.142,
        (
            Term("chroma_spread", 18.2158, 8.912, 0.706),
            Term("chroma_p95", 45.6966, 19.7467, 0.64),
            Term("chroma_mean", 20.1495, 10.797, 0.436),
            Term("hue_entropy", 0.5133, 0.1957, 0.581),
        ),
    ),
    "contrast": Measure(
        -0.015,
        (
            Term("lightness_std", 19.3477, 6.524, 0.655),
            Term("lightness_range", 59.4216, 18.3633, 0.528),
            Term("edge_p95", 18.8837, 5.9701, 0.526),
            Term("edge_sharpness", 0.6037, 0.0407, 0.328),
        ),
    ),
    "contour": Measure(
        -0.062,
        (
            Term("bent_edges_far", 0.515, 0.2641, 0.531),
            Term("bent_edges", 0.4933, 0.2342, 0.421),
            Term("long_lines", 0.1395, 0.1999, -0.273),
            Term("orientation_entropy", 0.9059, 0.1474, 0.158),
        ),
    ),
    "order": Measure(
        0.166,
        (
            Term("long_lines", 0.1395, 0.1999, 0.477),
            Term("axis_share", 0.3205, 0.213, 0.642),
            Term("repetition", 0.3499, 0.1538, 0.4),
            Term("symmetry", 0.3321, 0.2171, 0.341),
            Term("corner_share", 0.2248, 0.0865, -0.404),
        ),
    ),
    "density": Measure(
        0.443,
        (
            Term("thin_density", 0.154, 0.0638, 0.711),
            Term("area_small_count", 52.1988, 43.4587, 0.488),
            Term("empty_cells", 0.1175, 0.1563, -0.509),
            Term("flat_share", 0.4073, 0.2157, -0.647),
        ),
    ),
    "energy": Measure(
        0.458,
        (
            Term("edge_p95", 18.8837, 5.9701, 0.95),
            Term("diagonal_share", 0.4032, 0.1617, 0.647),
            Term("coherence_coarse", 0.6727, 0.1097, -0.795),
        ),
    ),
    "texture": Measure(
        0.183,
        (
            Term("grain_ratio", -3.3407, 0.7848, 0.914),
            Term("grain_in_flats", 0.8275, 0.6575, 0.608),
        ),
    ),
    "direction": Measure(
        -0.312,
        (
            Term("bent_edges_far", 0.515, 0.2641, 0.863),
            Term("circle_share", 0.031, 0.0335, 0.378),
            Term("ring_share", 0.5332, 0.0634, 0.376),
            Term("orientation_entropy", 0.9059, 0.1474, 0.382),
        ),
    ),
    "weight": Measure(
        0.022,
        (
            Term("coarse_spread", 18.0331, 7.0624, 0.547),
            Term("emotion_weight", 0.2052, 0.6572, 0.556),
            Term("spectral_slope", -2.4808, 0.4338, -0.459),
            Term("stripes", 0.0905, 0.0309, -0.478),
        ),
    ),
}
WORD_MEASURES: dict[str, Measure] = {
    "vertical": Measure(
        -0.56,
        (
            Term("vertical_share", 0.1602, 0.1264, 0.978),
            Term("horizontal_share", 0.1602, 0.1264, -0.308),
        ),
    ),
    "horizontal": Measure(
        -0.56,
        (
            Term("horizontal_share", 0.1602, 0.1264, 0.978),
            Term("vertical_share", 0.1602, 0.1264, -0.308),
        ),
    ),
    "diagonal": Measure(
        -0.542,
        (
            Term("diagonal_peak", 0.122, 0.0504, 0.726),
            Term("diagonal_share", 0.4032, 0.1617, 0.511),
        ),
    ),
    "symmetrical": Measure(
        -1.268,
        (
            Term("symmetry", 0.3321, 0.2171, 0.634),
            Term("symmetry_mirror", 0.2425, 0.247, 0.833),
        ),
    ),
    "monochrome": Measure(
        -1.689,
        (
            Term("chroma_spread", 18.2158, 8.912, -0.903),
            Term("chroma_p95", 45.6966, 19.7467, -0.937),
        ),
    ),
    "grey": Measure(
        -0.779,
        (
            Term("grey_share", 0.3137, 0.2767, 0.784),
            Term("chroma_mean", 20.1495, 10.797, -0.587),
        ),
    ),
}
