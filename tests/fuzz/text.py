"""Prompts and recipes."""

import base64
import codecs
import zlib
from collections.abc import Iterator

from t2a_edge.bundle import load_bundle
from t2a_edge.errors import PromptError
from t2a_edge.image import file_name
from t2a_edge.pipeline import TextToArt
from t2a_edge.prompt import parse_prompt
from t2a_edge.recipe import pack_recipe, unpack_recipe
from tests.fuzz.core import Places, Try, must, target
from tests.fuzz.values import TEXTS

WORDS, BYTES = 8, 32  # of the tiny model


def prompts(_: Places) -> list[bytes]:
    return [text.encode("utf-8", "surrogatepass") for text in TEXTS] + [
        b"warm dark:1.4 -busy", "grün, café; “dark”".encode(), b"dark:0.5 warm:4 cool:0"
    ]  # fmt: skip


def _lenient(exc: UnicodeError) -> tuple[str, int]:
    """Half a surrogate pair as Python has it, and a question mark for other bytes."""
    assert isinstance(exc, UnicodeDecodeError)
    try:
        return codecs.lookup_error("surrogatepass")(exc)
    except UnicodeDecodeError:
        return codecs.lookup_error("replace")(exc)


codecs.register_error("surrogatepass_or_replace", _lenient)


@target("prompt", seeds=prompts)
def prompt(_: Places) -> Iterator[Try]:
    def call(given: bytes) -> None:
        typed = given.replace(b"\xff", b"\xed\xa0\x80").decode("utf-8", "surrogatepass_or_replace")
        parsed = parse_prompt(typed, max_words=WORDS, max_bytes=BYTES)
        must(0 < len(parsed.terms) <= WORDS, "a wrong number of words")
        must(all(0 < len(w.encode()) <= BYTES for w in parsed.words), "a word of a wrong size")
        try:
            again = parse_prompt(parsed.text, max_words=WORDS, max_bytes=BYTES)
        except PromptError as exc:
            raise AssertionError(f"{parsed.text!r} was written here: {exc}") from exc
        must(again == parsed, "its own text means something else")
        must(file_name(parsed.text, 7).endswith(".png"), "a file name of another kind")

    yield call


def recipes(places: Places) -> list[bytes]:
    with TextToArt(places.bundle) as engine:
        art = engine.generate("warm", seed=7)
        wide = engine.generate("warm", seed=7, size=(48, 32))
        tile = engine.tile("warm", seed=7)
    return [artwork.recipe.encode() for artwork in (art, wide, tile)]


@target("recipe-text", seeds=recipes)
def recipe_text(places: Places) -> Iterator[Try]:
    bundle = load_bundle(places.bundle)
    model = str(bundle.manifest["checkpoint_sha256"])

    def call(given: bytes) -> None:
        text = given.decode("utf-8", "replace")
        read = unpack_recipe(text, bundle.spec, model)
        again = unpack_recipe(pack_recipe(read, bundle.spec, model), bundle.spec, model)
        must(again.crop == read.crop and again.layout == read.layout, "another recipe when packed")

    yield call


def bodies(places: Places) -> list[bytes]:
    return [base64.urlsafe_b64decode(text + b"=" * (-len(text) % 4))[9:-4]
            for text in recipes(places)]  # fmt: skip


@target("recipe-body", seeds=bodies, slow=True)
def recipe_body(places: Places) -> Iterator[Try]:
    """What stands between the model's name and the check sum, both of which are right."""
    with TextToArt(places.bundle) as engine:
        head = bytes([3]) + bytes.fromhex(engine.model[:16])

        def call(given: bytes) -> None:
            body = head + given
            whole = body + zlib.crc32(body).to_bytes(4, "big")
            text = base64.urlsafe_b64encode(whole).decode().rstrip("=")
            read = unpack_recipe(text, engine.spec, engine.model)
            must(
                len(read.indices) == len(read.layout.windows) * engine.spec.positions,
                "wrong indices",
            )
            if len(read.layout.windows) <= 4:
                drawn = engine.decode(text)
                must(drawn.size == read.crop[2:], "another size than the recipe says")

        yield call
