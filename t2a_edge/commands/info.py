"""The command that tells what is installed: model, providers, versions."""

import json
import platform
import textwrap
from dataclasses import asdict
from importlib import metadata
from typing import TYPE_CHECKING, Any

import click

from t2a_edge import __version__
from t2a_edge.commands.options import PROVIDERS, EngineOptions, engine_options, json_option
from t2a_edge.errors import T2AEdgeError

if TYPE_CHECKING:
    from t2a_edge.pipeline import TextToArt

PACKAGES = ("onnxruntime", "onnxruntime-gpu", "numpy", "pillow", "click")
WIDTH = 96  # characters of a line


@click.command(short_help="Tell model, providers and versions.")
@json_option
@engine_options
def info(as_json: bool, engine: EngineOptions) -> None:
    """Tell which model is used, what can run it here, and which versions are installed.

    With a --provider that cannot run here, the exit code is 2.

    \b
    Examples:
      t2a-edge info
      t2a-edge info --json
      t2a-edge info --provider cuda
    """  # noqa: D301
    with engine.load() as loaded:
        found = {
            "versions": versions(),
            "bundle": about_bundle(loaded),
            "provider": loaded.provider,
            "providers": providers(loaded, engine.threads),
        }
    click.echo(json.dumps(found, indent=1) if as_json else "\n".join(info_lines(found)))


def versions() -> dict[str, str]:
    """Of t2a-edge, Python, the system and the packages that are installed."""
    found = {
        "t2a-edge": __version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
    }
    for package in PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found


def about_bundle(engine: "TextToArt") -> dict[str, Any]:
    """The bundle's card, in short."""
    bundle = engine.bundle
    spec = bundle.spec
    return {
        "title": bundle.about("title"),
        "folder": str(bundle.folder),
        "hash": bundle.bundle_hash,
        "model": engine.model,
        "precision": bundle.precision,
        "size_bytes": bundle.size_bytes,
        "parameters": bundle.manifest.get("parameters"),
        "image_size": spec.image_size,
        "scales": list(spec.scales),
        "forms": spec.forms,
        "max_words": spec.max_words,
        "defaults": asdict(engine.options()),
        "licence": bundle.about("licence"),
        "data": bundle.about("data"),
        "limits": bundle.about("limits"),
        "vocabulary": list(bundle.vocabulary),
    }


def providers(engine: "TextToArt", threads: int) -> dict[str, str]:
    """Each provider -> "" if it runs this bundle here, else why it does not."""
    from t2a_edge.providers import make_runner

    found = {}
    for name in PROVIDERS[1:]:
        try:
            runner, _ = make_runner(engine.bundle, name, threads)
            runner.close()
            found[name] = ""
        except T2AEdgeError as exc:
            found[name] = str(exc)
    return found


def info_lines(found: dict[str, Any]) -> list[str]:
    """The same for people."""
    bundle, lines = found["bundle"], ["versions"]
    lines += [f"  {name:13}{version}" for name, version in found["versions"].items()]
    lines += [
        "",
        f"bundle  {bundle['title']}",
        f"  {'hash':13}{bundle['hash']}",
        f"  {'folder':13}{bundle['folder']}",
        f"  {'size':13}{bundle['size_bytes'] / 1e6:.2f} MB, {bundle['precision']}",
        f"  {'draws':13}{bundle['image_size']} x {bundle['image_size']} pixels, at most "
        f"{bundle['max_words']} adjectives, {bundle['forms']} forms",
    ]
    defaults = (f"{name.replace('_', ' ')} {own:g}" for name, own in bundle["defaults"].items())
    lines += _wrapped("defaults", ", ".join(defaults))
    for title, text in (
        ("licence", bundle["licence"]),
        ("data", bundle["data"]),
        ("limits", bundle["limits"]),
        ("adjectives", ", ".join(bundle["vocabulary"])),
    ):
        lines += _wrapped(title, " ".join(str(text).split()))
    lines += ["", f"provider  {found['provider']}"]
    for name, problem in found["providers"].items():
        lines += _wrapped(name, problem or "runs here")
    return lines


def _wrapped(title: str, text: str) -> list[str]:
    return textwrap.wrap(
        f"{title:13}{text}", WIDTH, initial_indent="  ", subsequent_indent=" " * 15
    )
