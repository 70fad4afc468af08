"""All families, registered by importing the modules that draw them."""

from train.studio.families import (  # noqa: F401
    facets,
    fields,
    geometry,
    lines,
    marks,
    radial,
    signs,
)
from train.studio.families.registry import FAMILIES, Family

__all__ = ["FAMILIES", "Family"]
