"""All families; importing the modules that draw them puts them into the registry."""

import train.studio.families.facets
import train.studio.families.fields
import train.studio.families.figures
import train.studio.families.fluids
import train.studio.families.geometry
import train.studio.families.growth
import train.studio.families.interlace
import train.studio.families.lines
import train.studio.families.marks
import train.studio.families.masses
import train.studio.families.optics
import train.studio.families.plain
import train.studio.families.points
import train.studio.families.radial
import train.studio.families.signs
import train.studio.families.stone
import train.studio.families.tilings  # noqa: F401
from train.studio.families.registry import FAMILIES, Family

__all__ = ["FAMILIES", "Family"]
