"""ONNX Runtime's headers and library, as far as package registries have them, into ./onnxruntime.

    python fetch_onnxruntime.py        with a Python that has onnxruntime installed, on Linux

With a release archive of ONNX Runtime at hand this is not needed: name its folder with
-DONNXRUNTIME_ROOT=... The library is that of this Python's onnxruntime. The headers are those of
version 1.29, which newer libraries serve too, from the npm package of ONNX Runtime for Unity (MIT;
about 150 MB to download, its SHA-512 is checked).
"""

import hashlib
import importlib.util
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
PACKAGE = "com.github.asus4.onnxruntime@0.4.9"
SHA512 = (
    "064cf176e499f4891e0cfe90f25cf64c553689eee1492bd2ed921fccca28131a"
    "2ad02373267bae19a509ec8b288c182a3b8a2e0f58d76a1f0e63225b08ddbd16"
)
HEADERS = "package/Plugins/iOS~/onnxruntime.xcframework/ios-arm64/onnxruntime.framework/Headers/"
LICENCE = "package/LICENSE"


def downloaded(folder: Path) -> Path:
    """The package as a file in a folder."""
    npm = shutil.which("npm")
    if npm is None:
        raise SystemExit("npm is not on the PATH; install Node.js, or unpack a release archive.")
    done = subprocess.run([npm, "pack", "--silent", PACKAGE], cwd=folder, check=False)
    archives = list(folder.glob("*.tgz"))
    if done.returncode or len(archives) != 1:
        raise SystemExit(f"{PACKAGE} could not be downloaded; npm says above why.")
    with archives[0].open("rb") as file:
        found = hashlib.file_digest(file, "sha512").hexdigest()
    if found != SHA512:
        raise SystemExit(f"{PACKAGE} has the SHA-512 {found}; expected {SHA512}. Do not use it.")
    return archives[0]


def library() -> Path:
    """The shared library that this Python's onnxruntime has."""
    found = importlib.util.find_spec("onnxruntime")
    folders = found.submodule_search_locations if found else None
    paths = [
        path for folder in folders or [] for path in Path(folder).glob("capi/libonnxruntime.so.*")
    ]
    if len(paths) != 1:
        raise SystemExit(
            f"{sys.executable} has no onnxruntime with a shared library; expected one of the Linux "
            "wheels. Install onnxruntime, or unpack a release archive."
        )
    return paths[0]


def unpack_headers(archive: Path, root: Path) -> None:
    """Put headers and licence where a release archive has them."""
    (root / "include").mkdir(parents=True)
    with tarfile.open(archive) as tar:
        for member in tar:
            is_header = member.name.startswith(HEADERS)
            content = tar.extractfile(member) if is_header or member.name == LICENCE else None
            if content:
                folder = root / "include" if is_header else root
                (folder / Path(member.name).name).write_bytes(content.read())


def copy_library(source: Path, root: Path) -> None:
    """Put the library where a release archive has it, under both of its names."""
    (root / "lib").mkdir()
    shutil.copy(source, root / "lib" / "libonnxruntime.so.1")
    (root / "lib" / "libonnxruntime.so").symlink_to("libonnxruntime.so.1")


def main() -> None:
    """Download, check, unpack; nothing is left half done."""
    target = HERE / "onnxruntime"
    if target.exists():
        sys.stdout.write(f"{target} is there already\n")
        return
    with tempfile.TemporaryDirectory(dir=HERE) as name:
        root, found = Path(name) / "root", library()
        unpack_headers(downloaded(Path(name)), root)
        copy_library(found, root)
        root.rename(target)
    sys.stdout.write(f"{target}\n")


if __name__ == "__main__":
    main()
