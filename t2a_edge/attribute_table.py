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
            Term("emotion_heat", -0.215, 0.2966, 0.992),
            Term("warm_share", 0.5316, 0.2979, 0.869),
            Term("cool_share", 0.1601, 0.206, -0.28),
        ),
    ),
    "lightness": Measure(
        0.157,
        (
            Term("lightness_mean", 53.7459, 16.9463, 0.838),
            Term("light_share", 0.2716, 0.2648, 0.608),
            Term("dark_share", 0.2763, 0.2473, -0.796),
        ),
    ),
    "chroma": Measure(
        -0.147,
        (
            Term("chroma_spread", 18.5425, 9.0202, 0.705),
            Term("chroma_p95", 46.3752, 19.8129, 0.649),
            Term("chroma_mean", 20.4669, 10.8779, 0.447),
            Term("hue_entropy", 0.5135, 0.1992, 0.569),
        ),
    ),
    "contrast": Measure(
        0.031,
        (
            Term("lightness_std", 19.3992, 6.5317, 0.682),
            Term("lightness_range", 59.5261, 18.3656, 0.539),
            Term("edge_p95", 19.1545, 6.0538, 0.489),
            Term("edge_sharpness", 0.6035, 0.0396, 0.407),
        ),
    ),
    "contour": Measure(
        -0.067,
        (
            Term("bent_edges_far", 0.5414, 0.2628, 0.563),
            Term("bent_edges", 0.5146, 0.2348, 0.415),
            Term("long_lines", 0.1333, 0.1993, -0.342),
            Term("orientation_entropy", 0.9097, 0.1486, 0.131),
        ),
    ),
    "order": Measure(
        0.169,
        (
            Term("long_lines", 0.1333, 0.1993, 0.528),
            Term("axis_share", 0.3054, 0.2103, 0.667),
            Term("repetition", 0.3428, 0.1568, 0.357),
            Term("symmetry", 0.307, 0.2125, 0.377),
            Term("corner_share", 0.2298, 0.0886, -0.397),
        ),
    ),
    "density": Measure(
        0.445,
        (
            Term("thin_density", 0.1606, 0.0656, 0.705),
            Term("area_small_count", 49.7458, 40.1734, 0.489),
            Term("empty_cells", 0.1156, 0.164, -0.526),
            Term("flat_share", 0.3875, 0.2192, -0.679),
        ),
    ),
    "energy": Measure(
        0.427,
        (
            Term("edge_p95", 19.1545, 6.0538, 0.992),
            Term("diagonal_share", 0.4144, 0.1609, 0.622),
            Term("coherence_coarse", 0.6661, 0.1118, -0.74),
        ),
    ),
    "texture": Measure(
        0.13,
        (
            Term("grain_ratio", -3.8595, 0.8003, 0.872),
            Term("grain_in_flats", 0.5725, 0.5079, 0.668),
        ),
    ),
    "direction": Measure(
        -0.342,
        (
            Term("bent_edges_far", 0.5414, 0.2628, 0.9),
            Term("circle_share", 0.0325, 0.0352, 0.39),
            Term("ring_share", 0.5224, 0.0652, 0.318),
            Term("orientation_entropy", 0.9097, 0.1486, 0.387),
        ),
    ),
    "weight": Measure(
        0.047,
        (
            Term("coarse_spread", 17.8878, 7.0324, 0.493),
            Term("emotion_weight", 0.2168, 0.6442, 0.56),
            Term("spectral_slope", -2.5849, 0.4353, -0.553),
            Term("stripes", 0.1266, 0.0383, -0.363),
        ),
    ),
}
WORD_MEASURES: dict[str, Measure] = {
    "vertical": Measure(
        -0.549,
        (
            Term("vertical_share", 0.1527, 0.1252, 0.972),
            Term("horizontal_share", 0.1527, 0.1252, -0.277),
        ),
    ),
    "horizontal": Measure(
        -0.549,
        (
            Term("horizontal_share", 0.1527, 0.1252, 0.972),
            Term("vertical_share", 0.1527, 0.1252, -0.277),
        ),
    ),
    "diagonal": Measure(
        -0.605,
        (
            Term("diagonal_peak", 0.1259, 0.0511, 0.75),
            Term("diagonal_share", 0.4144, 0.1609, 0.581),
        ),
    ),
    "symmetrical": Measure(
        -1.358,
        (
            Term("symmetry", 0.307, 0.2125, 0.66),
            Term("symmetry_mirror", 0.2144, 0.2422, 0.848),
        ),
    ),
    "monochrome": Measure(
        -1.709,
        (
            Term("chroma_spread", 18.5425, 9.0202, -0.9),
            Term("chroma_p95", 46.3752, 19.8129, -0.943),
        ),
    ),
    "grey": Measure(
        -0.772,
        (
            Term("grey_share", 0.3083, 0.2748, 0.776),
            Term("chroma_mean", 20.4669, 10.8779, -0.585),
        ),
    ),
}
