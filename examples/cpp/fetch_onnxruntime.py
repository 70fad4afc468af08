"""ONNX Runtime's headers and library for Linux x64, out of an npm package, into ./onnxruntime.

Anywhere else, or with a release archive of ONNX Runtime at hand, this is not needed: name the
archive's folder with -DONNXRUNTIME_ROOT=... The package is ONNX Runtime for Unity (MIT), version
1.29, about 150 MB to download; its SHA-512 is checked.
"""

import hashlib
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
LIBRARY = "package/Plugins/Linux/x64/libonnxruntime.so"
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


def unpack(archive: Path, root: Path) -> None:
    """Put headers into root/include and the library, under both of its names, into root/lib."""
    for name in ("include", "lib"):
        (root / name).mkdir(parents=True)
    with tarfile.open(archive) as tar:
        for member in tar:
            name = Path(member.name).name
            place = {LIBRARY: root / "lib" / "libonnxruntime.so.1", LICENCE: root / "LICENSE"}.get(
                member.name, root / "include" / name if member.name.startswith(HEADERS) else None
            )
            content = tar.extractfile(member) if place and member.isfile() else None
            if place and content:
                place.write_bytes(content.read())
    (root / "lib" / "libonnxruntime.so").symlink_to("libonnxruntime.so.1")


def main() -> None:
    """Download, check, unpack; nothing is left half done."""
    target = HERE / "onnxruntime"
    if target.exists():
        sys.stdout.write(f"{target} is there already\n")
        return
    with tempfile.TemporaryDirectory(dir=HERE) as name:
        root = Path(name) / "root"
        unpack(downloaded(Path(name)), root)
        root.rename(target)
    sys.stdout.write(f"{target}\n")


if __name__ == "__main__":
    main()
