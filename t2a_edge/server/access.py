"""Who may ask for what: every route needs the token, but those that are declared open."""

import hmac
import ipaddress
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

from starlette.routing import BaseRoute, Match
from starlette.types import Scope

from t2a_edge.server.service import RefusalError
from t2a_edge.server.settings import Settings

Target = TypeVar("Target", bound=Callable[..., Any])
# attributes of an endpoint, the first two also of a mounted application
OPEN, PROBE, FILES = "t2a_edge_open", "t2a_edge_probe", "t2a_edge_files"
HOST = re.compile(r"(?:\[(?P<v6>[0-9A-Fa-f:.]+)\]|(?P<name>[A-Za-z0-9._-]+))(?::[0-9]{0,5})?")
CONTROL = re.compile(r"[\x00-\x1f\x7f]")  # in a path: the router takes "/metrics\n" for "/metrics"


def is_open(endpoint: Target) -> Target:
    """Declare that an endpoint, or an application to mount, is answered without the token."""
    setattr(endpoint, OPEN, True)
    return endpoint


def is_probe(endpoint: Target) -> Target:
    """Declare that an endpoint is open, and asked by the address where a name would be."""
    setattr(endpoint, PROBE, True)
    return is_open(endpoint)


def takes_files(endpoint: Target) -> Target:
    """Declare that an endpoint is sent pictures: its body has a limit of its own."""
    setattr(endpoint, FILES, True)
    return endpoint


def declared(route: BaseRoute | None, what: str) -> bool:
    """Whether a route's endpoint, or the application mounted there, is so declared."""
    target = getattr(route, "endpoint", None) or getattr(route, "app", None)
    return getattr(target, what, False) is True


def answering(routes: Iterable[BaseRoute], scope: Scope) -> tuple[BaseRoute | None, Match]:
    """The route that answers a request, found as the router finds it.

    Its path is the router's own: without the prefix that it is mounted under, decoded.
    """
    if CONTROL.search(scope["path"]):
        return None, Match.NONE
    partial = None
    for route in routes:
        match, _ = route.matches(dict(scope))
        if match is Match.FULL:
            return route, match
        if match is Match.PARTIAL and partial is None:
            partial = route
    return partial, Match.NONE if partial is None else Match.PARTIAL


def prefixed(scope: Scope, prefix: str) -> Scope:
    """The scope of a request to a server that a proxy shows under a prefix, such as "/art".

    The proxy may have taken it off the path, or not: ASGI's path has it in both cases.
    """
    path = scope["path"]
    if not prefix or scope.get("root_path"):  # an application around this one has its own
        return scope
    if path == prefix or path.startswith(f"{prefix}/"):
        return {**scope, "root_path": prefix}
    raw = prefix.encode() + (scope.get("raw_path") or path.encode())
    return {**scope, "root_path": prefix, "path": prefix + path, "raw_path": raw}


def headers_of(scope: Scope, name: bytes) -> list[bytes]:
    """All values of a header."""
    return [bytes(value) for key, value in scope["headers"] if key == name]


def check_token(scope: Scope, wanted: str | None) -> None:
    """A RefusalError unless the request bears the token; None is no token."""
    if wanted is None:
        return
    sent = headers_of(scope, b"authorization")
    scheme, _, token = (sent[0] if len(sent) == 1 else b"").partition(b" ")
    right = hmac.compare_digest(token.strip(), wanted.encode())
    if scheme.lower() != b"bearer" or not right:
        raise RefusalError(
            401,
            "The bearer token is missing or wrong; send: Authorization: Bearer TOKEN",
            WWW_Authenticate="Bearer",
        )


def check_site(scope: Scope, origins: Sequence[str]) -> None:
    """A RefusalError for an upload that a page of another origin sends, unless it is named.

    Browsers ask nobody before they send one, as they do before JSON; but they say where it is from.
    """
    site = headers_of(scope, b"sec-fetch-site")
    origin = b"".join(headers_of(scope, b"origin")).decode("latin-1").lower()
    own = not site or site == [b"same-origin"] or site == [b"none"]
    if not own and "*" not in origins and origin not in origins:
        raise RefusalError(
            403, "A page of this origin may not send uploads; the server's --origin names those "
            "that may."
        )  # fmt: skip


class Hosts:
    """Which names the server answers to.

    A page that a browser has from elsewhere can have its own name lead to this machine, and then
    ask the server as its own (DNS rebinding). So a server that is reached on a loopback address
    answers to loopback names alone, unless others are allowed.
    """

    def __init__(self, settings: Settings) -> None:
        self._allowed = tuple(name.strip("[]") for name in settings.allowed_hosts)
        self._own = settings.host.lower()
        self._any = "*" in self._allowed or (not self._allowed and _is_everywhere(self._own))

    def check(self, scope: Scope, probe: bool) -> None:
        """A RefusalError unless the request's Host is one of them.

        Args:
            probe: orchestrators ask the route, by any address.
        """
        host, came_to = _host(scope), str((scope.get("server") or ("",))[0])
        if self._any or (host and host == came_to):
            return
        if probe and (not host or _address(host)):
            return
        if self._allowed:
            fits = any(_fits(host, name) for name in self._allowed)
        else:
            fits = host == self._own or _is_loopback(host) or not _is_loopback(came_to)
        if not fits:
            raise RefusalError(
                421,
                "The server does not answer to the name in Host; "
                "its --allowed-hosts says which it answers to.",
            )


def _host(scope: Scope) -> str:
    """The name or address in Host, without its port; "" where there is none."""
    sent = b",".join(headers_of(scope, b"host")).decode("latin-1")
    parts = HOST.fullmatch(sent)
    if parts is None:
        return "" if not sent else "?"  # fits no name
    return (parts["v6"] or parts["name"]).lower().removesuffix(".")


def _fits(host: str, allowed: str) -> bool:
    """Whether a host is the one allowed, or below a "*.example.org"."""
    return host == allowed or (allowed.startswith("*.") and host.endswith(allowed[1:]))


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _is_loopback(host: str) -> bool:
    address = _address(host)
    name = host == "localhost" or host.endswith(".localhost")
    if address is None:
        return name
    return (getattr(address, "ipv4_mapped", None) or address).is_loopback


def _is_everywhere(host: str) -> bool:
    address = _address(host)
    return address is not None and address.is_unspecified
