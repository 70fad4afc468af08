"""Adjectives on the command line: a leading minus, standard input, completion."""

import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import click

from t2a_edge.errors import PromptError, T2AEdgeError

AVOIDED = re.compile(r"^-(?=[^\W\d]{2}|[^\x00-\x7f]|[\"'(\[{])")  # of -busy, not of -h or -5
STANDARD_INPUT = ("-",)
LONGEST_LINE = 200_000  # bytes of a prompt
LONGEST_RECIPE = 4_000_000  # bytes; that of an inpainted picture has those of both pictures
Check = Callable[[str], object]
MANIFEST = Path(__file__).parents[1] / "bundles" / "base" / "bundle.json"


class WordsCommand(click.Command):
    """A command whose words may begin with a minus: "-busy" is a word to avoid, no option."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Write the minus of such a word in a way that click leaves alone; not in a value."""
        options = [param for param in self.params if isinstance(param, click.Option)]
        before_value = {name for option in options if not option.is_flag for name in option.opts}
        written, value = [], False
        for text in args:
            written.append(text if value else AVOIDED.sub("\N{MINUS SIGN}", text))
            value = not value and text in before_value
        return super().parse_args(ctx, written)


def complete_words(ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    """Known adjectives that begin as what is typed; read from the manifest, nothing is loaded."""
    from t2a_edge.documents import read_json  # here: --help needs no hashes

    bundle = ctx.params.get("bundle")
    manifest = MANIFEST if bundle is None else Path(bundle) / MANIFEST.name
    try:
        vocabulary = list(read_json(manifest)["vocabulary"])
    except (OSError, ValueError, KeyError, TypeError):
        return []  # a completion that cannot be had is none
    typed = incomplete.casefold()
    return sorted(word for word in map(str, vocabulary) if word.startswith(typed))


def prompts_from(words: tuple[str, ...], check: Check) -> Iterator[str]:
    """The prompts of a command line: all of its words are one; for `-`, each line of input is.

    A line is yielded as soon as it is read, so that another program can wait for its picture.

    Args:
        check: see `lines_of_input`.

    Raises:
        PromptError: standard input has no prompt, or a line that is none or not valid UTF-8.
    """
    if words == STANDARD_INPUT:
        yield from lines_of_input('adjectives, one prompt a line, such as "warm dark fluid"', check)
    else:
        yield " ".join(words)


def lines_of_input(expected: str, check: Check, longest: int = LONGEST_LINE) -> Iterator[str]:
    """Lines of standard input that have more than white space.

    Args:
        expected: what a line is, for an error's text.
        check: raises a T2AEdgeError for a line that is wrong; the number of the line is put to it.
        longest: bytes that a line may have.

    Raises:
        PromptError: there is none, or one is too long or not valid UTF-8.
        T2AEdgeError: one is wrong.
    """
    if sys.stdin is None:  # a shell's <&-
        raise PromptError(f"Standard input is closed; expected {expected}.")
    number = found = 0
    while raw := sys.stdin.buffer.readline(longest + 1):
        number += 1
        if len(raw) > longest:
            raise PromptError(
                f"Line {number} of standard input has more than {longest} bytes; expected "
                f"{expected}."
            )
        try:
            line = raw.decode("utf-8-sig" if number == 1 else "utf-8").strip()
        except UnicodeDecodeError as exc:
            raise PromptError(
                f"Line {number} of standard input is not valid UTF-8; expected {expected}. "
                "Convert it."
            ) from exc
        if line:
            found += 1
            try:
                check(line)
            except T2AEdgeError as exc:
                raise type(exc)(f"Line {number} of standard input: {exc}") from exc
            yield line
    if not found:
        raise PromptError(f"Standard input is empty; expected {expected}.")
