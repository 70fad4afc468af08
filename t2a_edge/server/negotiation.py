"""What a client takes: Accept, Accept-Encoding and If-None-Match, as RFC 9110 has them."""

import re
from collections.abc import Sequence

from starlette.datastructures import Headers

A_YEAR = "max-age=31536000, immutable"  # of Cache-Control, for what never changes
QUALITY = re.compile(r"q\s*=\s*([01](?:\.[0-9]{0,3})?)", re.IGNORECASE)
TAG = re.compile(r'(?:W/)?("[^"]*")')


def preferences(header: str) -> dict[str, float]:
    """What a header lists, in small letters, each with its quality from 0 to 1."""
    listed = {}
    for item in header.split(","):
        name, *parameters = (part.strip() for part in item.split(";"))
        told = [match for match in map(QUALITY.fullmatch, parameters) if match]
        if name:
            listed[name.lower()] = min(1.0, float(told[0][1])) if told else 1.0
    return listed


def accepts_coding(headers: Headers, coding: str) -> bool:
    """Whether Accept-Encoding has a coding; without the header none is."""
    listed = preferences(",".join(headers.getlist("accept-encoding")))
    return listed.get(coding, listed.get("*", 0.0)) > 0


def chosen_type(headers: Headers, offers: Sequence[str], usual: str) -> str | None:
    """The offer that Accept wants most; without the header the usual one.

    Of those that it wants alike, one that it names comes before one that a `*` stands for. Of those
    that it names the first is taken, of those that a `*` stands for the usual one. Browsers name
    the newer formats and let `image/*` stand for the rest.

    Returns:
        None where it takes none of them.

    >>> offers = ("image/webp", "image/png")
    >>> chosen_type(Headers({"Accept": "image/webp, */*;q=0.8"}), offers, "image/png")
    'image/webp'
    >>> chosen_type(Headers({"Accept": "*/*"}), offers, "image/png")
    'image/png'
    """
    listed = preferences(",".join(headers.getlist("accept")))
    if not listed:
        return usual

    def wanted(offer: str) -> tuple[float, bool, bool]:
        """How much, by the most exact of what is listed; whether it is named, or the usual one."""
        for name in (offer, f"{offer.partition('/')[0]}/*", "*/*"):
            if name in listed:
                return listed[name], name == offer, name != offer and offer == usual
        return 0.0, False, False

    best = max(offers, key=wanted)  # of those alike, the first
    return best if wanted(best)[0] > 0 else None


def has_tag(headers: Headers, tag: str) -> bool:
    """Whether If-None-Match names an entity tag, or any.

    Args:
        tag: with its quotation marks.
    """
    listed = ",".join(headers.getlist("if-none-match"))
    return listed.strip() == "*" or tag in TAG.findall(listed)
