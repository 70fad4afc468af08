"""The command that starts the server."""

import os
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from t2a_edge.commands.options import PROVIDERS, Command
from t2a_edge.errors import OptionError
from t2a_edge.server.settings import Settings

LINKED = "tcp://"  # Kubernetes sets T2A_EDGE_PORT so for a service that is called t2a-edge
NAMES = {"origins": "--origin"}  # of options that are not named like their setting
PATHS = ("uds", "bundle", "page")
LISTS = ("origins", "allowed_hosts")
HELP = {
    "host": "Address to listen on; the default is reached from this machine alone.",
    "port": "0 takes a free one, which the log names.",
    "uds": "Path of a Unix socket to listen on, in place of an address.",
    "root_path": "Prefix under which a proxy shows the server, such as /art.",
    "workers": "Processes that share the socket, each with a model and queues of its own.",
    "bundle": "Folder of another model.",
    "provider": "What runs the model; auto takes the best that works here.",
    "threads": "Cores that one operation may use.",
    "token": "Bearer token that clients must send; better in the variable than on this line.",
    "origins": "Web origin that browsers may call from, or *; may be given several times.",
    "allowed_hosts": "Names that a request's Host may have, or *; may be given several times. "
    "By default loopback names where the server is reached by loopback, else any.",
    "page": "Folder of another page to serve at /, or none.",
    "max_batch": "Most pictures in one run of the model.",
    "max_wait_ms": "How long a picture waits for others to share its run.",
    "max_queue": "Most pictures that wait; further requests are answered 429.",
    "deadline_s": "Seconds from a request to its answer; 504 after them.",
    "max_body": "Bytes of a request's body.",
    "max_upload": "Bytes of a request's body where pictures are sent.",
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
    "otel": "Send spans of requests to OTEL_EXPORTER_OTLP_ENDPOINT; needs the extra otel.",
}


class Variable(click.Option):
    """An option that an environment variable may give, named like it: T2A_EDGE_MAX_QUEUE.

    click would take one that is set and empty for none.
    """

    def __init__(self, declarations: Sequence[str], **how: Any) -> None:
        super().__init__(declarations, envvar=variable_of(declarations[0]), **how)

    def resolve_envvar_value(self, ctx: click.Context) -> str | None:
        """The variable's text; an OptionError where it is set and says nothing."""
        name = str(self.envvar)
        text = os.environ.get(name)
        if text is None or text.startswith(LINKED):
            return None
        if not text.strip():
            raise OptionError(f"{name} is set and empty; give it a value, or unset it.")
        return text.replace(",", " ") if self.multiple else text.strip()

    def get_error_hint(self, ctx: click.Context | None) -> str:
        """What an error calls it: the variable, where that gave the value."""
        if ctx and ctx.get_parameter_source(str(self.name)) is ParameterSource.ENVIRONMENT:
            return str(self.envvar)
        return super().get_error_hint(ctx)


def option_of(field_name: str) -> str:
    """The option of a field of `Settings`: "--max-queue"."""
    return NAMES.get(field_name, f"--{field_name.replace('_', '-')}")


def variable_of(option: str) -> str:
    """The environment variable of an option: "T2A_EDGE_MAX_QUEUE"."""
    return f"T2A_EDGE_{option.removeprefix('--').replace('-', '_').upper()}"


def settings_options(command: Command) -> Command:
    """An option for each field of `Settings`, with its default and its variable."""
    for field in reversed(fields(Settings)):
        how: dict[str, Any] = {"default": field.default, "show_default": True}
        if field.name == "provider":
            how["type"] = click.Choice(PROVIDERS)
        elif field.name in PATHS:
            how = {"type": click.Path(path_type=Path)}
        elif field.default in (None, ""):
            how = {"default": field.default}
        elif field.name in LISTS:
            how = {"multiple": True}
        elif isinstance(field.default, bool):
            how = {"is_flag": True}
        elif isinstance(field.default, int | float):
            how["type"] = type(field.default)
        names = (option_of(field.name), field.name)
        command = click.option(*names, cls=Variable, help=HELP[field.name], **how)(command)
    return command


@click.command(short_help="Serve pictures over HTTP.")
@settings_options
def serve(**settings: Any) -> None:
    """Serve pictures over HTTP until SIGTERM or Ctrl-C, which finish what was accepted.

    Needs the packages of the extra: pip install "t2a-edge[serve]". Each option may come from an
    environment variable too, T2A_EDGE_ and its name: T2A_EDGE_MAX_QUEUE for --max-queue.

    \b
    Examples:
      t2a-edge serve
      t2a-edge serve --port 9000 --workers 2
      t2a-edge serve --uds /run/t2a-edge.sock --root-path /art
      T2A_EDGE_TOKEN=correct-horse t2a-edge serve --host 0.0.0.0
    """  # noqa: D301
    from t2a_edge.server import serve as serve_pictures  # here: --help needs no server

    serve_pictures(Settings(**settings))
