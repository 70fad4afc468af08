"""Everything that can go wrong, as one tree.

::

    T2AEdgeError            base of all errors; its text is one sentence for a person
    ├── PromptError         the adjectives that were typed cannot be used
    ├── OptionError         a number or a path given beside the prompt cannot be used
    ├── BundleError         the model files are missing, damaged or from another version
    ├── ClosedError         what was closed, or left behind by a fork, is used again
    ├── ImageError          an array is not an image, or a picture cannot be written
    ├── RecipeError         a recipe is damaged, or of another model
    ├── ConfigError         a training preset or an override of it cannot be used
    ├── DataError           a training folder, or a row of its annotations, cannot be used
    ├── CheckpointError     a checkpoint is missing, damaged or of another shape
    └── ExportError         a graph could not be made, or does not match its source

The library raises; the command line prints the text on one line and exits with `exit_code`.
"""

EXIT_FAILED = 1  # a gate or a parity check failed
EXIT_USAGE = 2  # bad input: what was got, what was expected, what to do
EXIT_NOT_MEASURED = 3  # something that was required could not be measured here


class T2AEdgeError(Exception):
    """Base of all errors; the text says what was got, what was expected and what to do."""

    exit_code = EXIT_USAGE  # of a command that ends with this error


class PromptError(T2AEdgeError):
    """The adjectives that were typed cannot be used."""


class OptionError(T2AEdgeError):
    """A number or a path given beside the prompt cannot be used."""


class BundleError(T2AEdgeError):
    """The model files are missing, damaged or from another version."""


class ClosedError(T2AEdgeError):
    """What was closed, or is of the process that this one was forked from, is used again."""


class ImageError(T2AEdgeError):
    """An array is not an image, or a picture cannot be written."""


class RecipeError(T2AEdgeError):
    """A recipe is damaged, or of another model."""


class ConfigError(T2AEdgeError):
    """A training preset, or an override of it, cannot be used."""


class DataError(T2AEdgeError):
    """A training folder, or a row of its annotations, cannot be used."""


class CheckpointError(T2AEdgeError):
    """A checkpoint is missing, damaged or of another shape."""


class ExportError(T2AEdgeError):
    """A graph could not be made, or does not match its source."""

    exit_code = EXIT_FAILED
