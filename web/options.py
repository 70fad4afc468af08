"""What the page and the Node example know of a request: `t2a_edge.request` as a JavaScript module.

`python -m web.options` writes `web/src/core/options.js`; a test holds that it is up to date.
"""

import json
from typing import Any

from t2a_edge.kinds import Number, Whole
from t2a_edge.request import OPTIONS, SAMPLING
from web.prepare import ROOT

MODULE = ROOT / "web" / "src" / "core" / "options.js"
HEAD = """\
// What a picture is asked for with, and the numbers that fit. Written by `python -m web.options`
// from t2a_edge/request.py; change it there.
"""


def module() -> str:
    """The text of the module: every option that is a number, and which of them are sampling's."""
    rows = []
    for name, option in OPTIONS.items():
        kind = option.kind
        if isinstance(kind, Number | Whole):
            told: dict[str, Any] = {
                "called": option.called, "least": kind.least, "most": kind.most,
                "whole": isinstance(kind, Whole), "flag": option.flag,
                "usual": option.usual if option.default is None else option.default,
                "help": option.help,
            }  # fmt: skip
            said = ", ".join(f"{key}: {json.dumps(value)}" for key, value in told.items())
            rows.append(f"  {name}: {{ {said} }},\n")
    options, sampling = "".join(rows), json.dumps(list(SAMPLING))
    return f"{HEAD}export const OPTIONS = {{\n{options}}};\nexport const SAMPLING = {sampling};\n"


if __name__ == "__main__":
    MODULE.write_text(module(), encoding="utf-8")
