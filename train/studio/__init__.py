"""The studio: a procedural painter of abstract compositions whose attributes are known.

A `Composition` is a family, attributes on the vocabulary's axes, hues and a seed; `paint` draws it
at any size, `adjectives` says what is true of it, `sample` draws one at random.
"""

from train.studio.composition import Composition, Study, paint, paint_studied, study
from train.studio.families import FAMILIES
from train.studio.forms import form_words
from train.studio.measure import Measured, measure
from train.studio.sampling import sample
from train.studio.words import adjectives

__all__ = [
    "FAMILIES",
    "Composition",
    "Measured",
    "Study",
    "adjectives",
    "form_words",
    "measure",
    "paint",
    "paint_studied",
    "sample",
    "study",
]
