"""What the site needs beside mkdocs.yml: links to files that are no pages, the model's limits."""

import json
import logging
import posixpath
import re
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
LINK = re.compile(r"\[(?P<text>[^\]]*)\]\((?P<target>[^)\s#]+)(?P<anchor>#[^)\s]*)?\)")
LIMITS = "<!-- limits of the shipped bundle -->"
MANIFEST = ROOT / "t2a_edge" / "bundles" / "base" / "bundle.json"
PAGES = {"README.md#train-on-your-own-images": "how-to/train.md", "README.md": "index.md"}

log = logging.getLogger("mkdocs.hooks")


def on_page_markdown(markdown: str, *, page: Any, **_: Any) -> str:
    """Put the model's limits in; name a file where the text links to it, as it is not in the site.

    A link of the README goes to the page that says the same. A file that does not exist is a
    warning, and so fails a strict build.
    """
    source = page.file.src_uri
    here = posixpath.dirname(f"docs/{source}")

    def named(link: re.Match[str]) -> str:
        path = posixpath.normpath(posixpath.join(here, link["target"]))
        if ":" in link["target"] or path.startswith(("docs/", "..")):
            return link[0]
        if not (ROOT / path).exists():
            log.warning("%s links to %s, which is not there", source, path)
        other = PAGES.get(path + (link["anchor"] or ""))
        if other:
            start = posixpath.dirname(source) or "."
            return f"[{link['text']}]({posixpath.relpath(other, start)})"
        text = link["text"].strip("`")
        return f"`{path}`" if path.endswith(text) else f"{link['text']} (`{path}`)"

    if LIMITS in markdown:  # they stand once: in the manifest
        about = json.loads(MANIFEST.read_text(encoding="utf-8"))["about"]
        markdown = markdown.replace(LIMITS, about["limits"])
    return LINK.sub(named, markdown)
