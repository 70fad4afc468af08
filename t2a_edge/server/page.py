"""The files of a built page, as they are served at /."""

import os
from pathlib import Path

from starlette.staticfiles import StaticFiles


class Page(StaticFiles):
    """Files of a folder; nothing that is hidden in it, and nothing outside it."""

    def lookup_path(self, path: str) -> tuple[str, os.stat_result | None]:
        """A file's own path and state; "" and None for one that is not served.

        What a symbolic link leads to must lie in the folder. A name that begins with a dot is not
        served, be it the file's, a folder's on the way to it, or that of what a link leads to.
        """
        try:
            found, state = super().lookup_path(path)
        except (OSError, ValueError):  # may not be read, too long, links in a circle, a null byte
            return "", None
        if state is None or self.directory is None:
            return "", None
        inside = Path(found).relative_to(os.path.realpath(self.directory))
        hidden = any(part.startswith(".") for part in (*Path(path).parts, *inside.parts))
        return ("", None) if hidden else (found, state)
