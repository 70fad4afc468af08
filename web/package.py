"""Puts the built page into the package, as `t2a-edge serve` and the wheel have it.

`python -m web.package`; `make page` builds the page before. Most of the page are the engines of the
bundle, which the package has already, and a WebAssembly runtime, which is a quarter of its size in
gzip. So engines are named, and what gzip makes smaller is kept in gzip alone.
"""

import gzip
import hashlib
import json
import shutil
import sys
from pathlib import Path

from t2a_edge.bundle import Bundle, load_bundle
from t2a_edge.errors import OptionError, T2AEdgeError
from t2a_edge.server.page import INDEX, PACKAGED, PACKED

ROOT = Path(__file__).resolve().parents[1]
BUILT = Path(__file__).resolve().parent / "dist"
SMALLER = 0.9  # that gzip must leave at most of a file
LEAST = 1024  # bytes that are worth it


def package_page(built: Path = BUILT, packaged: Path = PACKAGED) -> int:
    """Write the page for the package; nothing else stays in its folder.

    Returns:
        Bytes that it adds to the package.

    Raises:
        OptionError: there is no built page, or it is of another bundle than the shipped one.
        BundleError: the bundle is missing or damaged.
    """
    bundle = load_bundle(None)
    check_built(built, bundle)
    engines = {digest(file): file.name for file in bundle.folder.glob("*.onnx")}
    shutil.rmtree(packaged, ignore_errors=True)
    named = {}
    for file in sorted(built.rglob("*")):
        name = file.relative_to(built).as_posix()
        if not file.is_file():
            continue
        engine = engines.get(digest(file))
        if engine is None:
            keep(file, packaged / name)
        else:
            named[name] = engine
    about = {"bundle": bundle.bundle_hash, "engines": named}
    (packaged / PACKED).write_text(json.dumps(about, indent=1, sort_keys=True), encoding="utf-8")
    return sum(file.stat().st_size for file in packaged.rglob("*") if file.is_file())


def check_built(built: Path, bundle: Bundle) -> None:
    """An OptionError unless a page is built that draws with the bundle."""
    try:
        of = json.loads((built / "models" / "manifest.json").read_text(encoding="utf-8"))["bundle"]
    except (OSError, ValueError, KeyError) as exc:
        raise OptionError(f"{built} has no built page; run: make web-build") from exc
    if of != bundle.bundle_hash or not (built / INDEX).is_file():
        raise OptionError(
            f"The page in {built} draws with the model {of}; expected the shipped one, "
            f"{bundle.bundle_hash}: run make web-build again."
        )


def keep(file: Path, target: Path) -> None:
    """A file as it is, or in gzip where that is worth it."""
    content = file.read_bytes()
    packed = gzip.compress(content, compresslevel=9, mtime=0)  # the same bytes whenever it is made
    target.parent.mkdir(parents=True, exist_ok=True)
    small = len(content) < LEAST or len(packed) > SMALLER * len(content)
    if small or file.name == INDEX:  # which says that a folder is a page
        target.write_bytes(content)
    else:
        target.with_name(f"{target.name}.gz").write_bytes(packed)


def digest(file: Path) -> str:
    """The sha256 of a file, hexadecimal."""
    return hashlib.sha256(file.read_bytes()).hexdigest()


if __name__ == "__main__":
    try:
        added = package_page()
    except (T2AEdgeError, OSError) as error:
        sys.stderr.write(f"error: {error}\n")
        sys.exit(2)
    sys.stdout.write(f"{PACKAGED.relative_to(ROOT)}: {added / 1e6:.2f} MB\n")
