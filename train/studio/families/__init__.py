"""All families; importing the modules that draw them puts them into the registry."""

import train.studio.families.facets
import train.studio.families.fields
import train.studio.families.geometry
import train.studio.families.lines
import train.studio.families.marks
import train.studio.families.radial
import train.studio.families.signs  # noqa: F401
from train.studio.families.registry import FAMILIES, Family

__all__ = ["FAMILIES", "Family"]
