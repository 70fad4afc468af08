"""The command that starts the server."""

import os
from dataclasses import fields
from pathlib import Path
from typing import Any

import click

from t2a_edge.commands.options import PROVIDERS, Command
from t2a_edge.errors import OptionError
from t2a_edge.server.settings import Settings

NAMES = {"origins": "--origin"}  # of options that are not named like their setting
VARIABLES = {"token": "T2A_EDGE_TOKEN", "allowed_hosts": "T2A_EDGE_ALLOWED_HOSTS"}
HELP = {
    "host": "Address to listen on; the default is reached from this machine alone.",
    "port": "0 takes a free one, which the log names.",
    "bundle": "Folder of another model.",
    "provider": "What runs the model; auto takes the best that works here.",
    "threads": "Cores that one operation may use.",
    "token": "Bearer token that clients must send; better in the variable than on this line.",
    "origins": "Web origin that browsers may call from, or *; may be given several times.",
    "allowed_hosts": "Names that a request's Host may have, or *; may be given several times. "
    "By default loopback names where the server is reached by loopback, else any.",
    "page": "Folder with an index.html to serve at /.",
    "max_batch": "Most pictures in one run of the model.",
    "max_wait_ms": "How long a picture waits for others to share its run.",
    "max_queue": "Most pictures that wait; further requests are answered 429.",
    "deadline_s": "Seconds from a request to its answer; 504 after them.",
    "max_body": "Bytes of a request's body.",
    "max_count": "Pictures of one request.",
    "max_frames": "Frames of one interpolation.",
    "max_size": "Pixels along a side of a picture.",
    "max_prompt": "Characters of a prompt.",
    "max_connections": "Open connections; further ones are answered 503, but for health probes.",
    "body_timeout_s": "Seconds within which a request's body must have come.",
    "header_timeout_s": "Seconds within which a request's head must have come.",
    "write_timeout_s": "Seconds within which a client must take some of its answer.",
    "keep_alive_s": "Seconds that a connection without a request stays open.",
    "drain_s": "Seconds that SIGTERM waits for work that was accepted.",
    "drain_notice_s": "Seconds after SIGTERM that an idle server still answers, /readyz with 503.",
    "log_prompts": "Write prompts to the log.",
}


class Variable(click.Option):
    """An option that an environment variable gives; click takes an empty one for none."""

    def resolve_envvar_value(self, ctx: click.Context) -> str | None:
        """The variable's text; an OptionError where it is set and says nothing."""
        name = str(self.envvar)
        text = os.environ.get(name)
        if text is not None and not text.strip():
            raise OptionError(f"{name} is set and empty; give it a value, or unset it.")
        return text.replace(",", " ") if text and self.multiple else text


def settings_options(command: Command) -> Command:
    """An option for each field of `Settings`, with its default."""
    for field in reversed(fields(Settings)):
        how: dict[str, Any] = {"default": field.default, "show_default": True}
        if field.name == "provider":
            how["type"] = click.Choice(PROVIDERS)
        elif field.name in ("bundle", "page"):
            how = {"type": click.Path(path_type=Path)}
        elif field.name == "token":
            how = {}
        elif field.name in ("origins", "allowed_hosts"):
            how = {"multiple": True}
        elif isinstance(field.default, bool):
            how = {"is_flag": True}
        elif isinstance(field.default, int | float):
            how["type"] = type(field.default)
        if field.name in VARIABLES:
            how |= {"cls": Variable, "envvar": VARIABLES[field.name], "show_envvar": True}
        name = NAMES.get(field.name, f"--{field.name.replace('_', '-')}")
        command = click.option(name, field.name, help=HELP.get(field.name, ""), **how)(command)
    return command


@click.command(short_help="Serve pictures over HTTP.")
@settings_options
def serve(**settings: Any) -> None:
    """Serve pictures over HTTP until SIGTERM or Ctrl-C, which finish what was accepted.

    Needs the packages of the extra: pip install "t2a-edge[serve]".

    \b
    Examples:
      t2a-edge serve
      t2a-edge serve --port 9000 --max-count 4
      T2A_EDGE_TOKEN=correct-horse t2a-edge serve --host 0.0.0.0
    """  # noqa: D301
    from t2a_edge.server import serve as serve_pictures  # here: --help needs no server

    serve_pictures(Settings(**settings))
