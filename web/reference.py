"""What the Python library draws, for the browser's tests to compare with.

`python -m web.reference FOLDER` writes cases.json and a PNG for each case.
"""

import json
import sys
from pathlib import Path
from typing import Any

from t2a_edge import TextToArt

CASES: tuple[dict[str, Any], ...] = (
    {"prompt": "warm dark fluid", "seed": 7},
    {"prompt": "icy geometric -busy", "seed": 2**53 - 1},
    {"prompt": "dark:1.4 calm:0.5 glowing", "seed": 123456789},
    {"prompt": "vibrant dense chaotic", "seed": 0, "guidance_scale": 2.5, "temperature": 0.8},
)
UNLIKE = {"guidance_scale": "guidance"}  # names that a link spells otherwise


def write_reference(folder: Path) -> None:
    """Draw all cases; a variation of the first one, for the library to be asked for the same."""
    folder.mkdir(parents=True, exist_ok=True)
    model = TextToArt()
    written = []
    for number, case in enumerate(CASES):
        artwork = model.generate(**case)
        artwork.save(folder / f"case-{number}.png")
        link = {UNLIKE.get(name, name): value for name, value in case.items()}
        written.append(
            {
                "link": link,
                "file": f"case-{number}.png",
                "name": artwork.file_name,
                "recipe": artwork.recipe,
                "indices": artwork.indices.tolist(),
                "pixels": artwork.pixels.tobytes().hex(),
            }
        )
    (folder / "cases.json").write_text(json.dumps(written), encoding="utf-8")


if __name__ == "__main__":
    write_reference(Path(sys.argv[1]))
