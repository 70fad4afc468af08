import unicodedata

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from t2a_edge.errors import PromptError
from t2a_edge.prompt import (
    MAX_WEIGHT,
    OTHER_WORDS,
    Prompt,
    Term,
    parse_prompt,
    text_bytes_from_words,
)
from t2a_edge.vocabulary import known_words

MAX_WORDS, MAX_BYTES = 8, 32


def parse(typed) -> Prompt:
    return parse_prompt(typed, max_words=MAX_WORDS, max_bytes=MAX_BYTES)


@pytest.mark.parametrize(
    "typed",
    [
        "warm dark fluid",
        "  warm\tdark\nfluid ",
        "warm, dark; fluid",
        "warm,dark;fluid,",
        "WARM Dark fLuId",
        ["warm", "dark", "fluid"],
        ["warm dark", "", "fluid"],
        ("warm, dark", "fluid"),
        "warm\u3000dark\u00a0fluid",
    ],
)
def test_the_same_adjectives_however_they_are_typed(typed):
    assert parse(typed).words == ("warm", "dark", "fluid")


def test_an_iterator_of_words_is_read_once():
    assert parse(word for word in ["warm", "dark"]).words == ("warm", "dark")


def test_order_and_repetition_are_kept():
    assert parse("dark warm dark").words == ("dark", "warm", "dark")
    assert parse("dark warm dark").text == "dark warm dark"


def test_composed_and_decomposed_letters_are_one_word():
    assert parse("cafe\u0301") == parse("caf\u00e9") == parse("CAFE\u0301")


@pytest.mark.parametrize(
    ("typed", "word"),
    [("Straße", "strasse"), ("ТЁПЛЫЙ", "тёплый"), ("暖か", "暖か"), ("🔥", "🔥")],
)
def test_words_of_any_script_are_accepted(typed, word):
    assert parse(typed).words == (word,)


def test_a_letter_that_case_folding_takes_apart_is_composed_again():
    assert parse("\u0390").words == ("\u0390",)


def test_a_character_that_normalises_to_a_separator_separates():
    assert parse("warm\u037edark").words == ("warm", "dark")  # the Greek question mark


@pytest.mark.parametrize("typed", ["", " \t\n", ",;, ;", [], ["", " "]])
def test_nothing_typed_is_an_error_with_an_example(typed):
    with pytest.raises(PromptError, match='no adjectives; type some, such as "warm dark fluid"'):
        parse(typed)


def test_the_largest_number_of_adjectives_is_accepted_and_one_more_is_not():
    assert len(parse(["warm"] * MAX_WORDS).words) == MAX_WORDS
    with pytest.raises(PromptError, match="9 adjectives; expected at most 8"):
        parse(["warm"] * (MAX_WORDS + 1))


@pytest.mark.parametrize("letter", ["a", "é", "暖", "🔥"])
def test_the_longest_adjective_is_counted_in_bytes(letter):
    most = MAX_BYTES // len(letter.encode())
    assert parse(letter * most).words == (letter * most,)
    size = (most + 1) * len(letter.encode())
    with pytest.raises(PromptError, match=f"has {size} bytes; expected at most {MAX_BYTES}"):
        parse(letter * (most + 1))


def test_a_very_long_adjective_is_cut_in_the_message():
    with pytest.raises(PromptError) as caught:
        parse("a" * 100_000)
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize("character", ["\0", "\x07", "\x1b", "\x7f", "\x9b"])
def test_a_control_character_is_named(character):
    with pytest.raises(PromptError, match=f"control character U\\+{ord(character):04X}"):
        parse(f"wa{character}rm")


def test_undecodable_bytes_are_an_error():
    typed = b"w\xe4rm".decode("utf-8", "surrogateescape")
    with pytest.raises(PromptError, match="not valid UTF-8"):
        parse(typed)


@pytest.mark.parametrize("part", [None, 7, b"warm"])
def test_a_part_that_is_no_text_is_an_error(part):
    with pytest.raises(PromptError, match=type(part).__name__):
        parse(["dark", part])


@given(st.text())
def test_any_text_gives_clean_words_or_a_prompt_error(typed):
    try:
        words = parse(typed).words
    except PromptError:
        return
    assert 1 <= len(words) <= MAX_WORDS
    for word in words:
        assert word
        assert not any(letter.isspace() or letter in ",;:" for letter in word)
        assert word[0] not in "-\N{MINUS SIGN}"
        assert len(word.encode("utf-8")) <= MAX_BYTES
        assert unicodedata.is_normalized("NFC", word)


@given(st.text(max_size=20))
def test_parsing_what_was_parsed_changes_nothing(typed):
    try:
        prompt = parse(typed)
    except PromptError:
        return
    assert parse(prompt.text) == prompt
    assert parse(prompt.words).words == prompt.words


# ---- weights


@pytest.mark.parametrize(
    ("typed", "term"),
    [
        ("dark", Term("dark", 1.0)),
        ("dark:1.4", Term("dark", 1.4)),
        ("DARK:0", Term("dark", 0.0)),
        ("dark:4", Term("dark", MAX_WEIGHT)),
        ("dark:.5", Term("dark", 0.5)),
        ("-busy", Term("busy", -1.0)),
        ("\N{MINUS SIGN}busy", Term("busy", -1.0)),
        ("-busy:0.25", Term("busy", -0.25)),
        ("blue-green", Term("blue-green", 1.0)),
        ("-blue-green", Term("blue-green", -1.0)),
        ("-🔥", Term("🔥", -1.0)),
    ],
)
def test_a_word_may_have_a_weight_or_a_minus(typed, term):
    assert parse(typed).terms == (term,)


def test_a_zero_has_no_minus():
    assert parse("-busy:0").text == parse("-busy:-0").text == "busy:0"


def test_a_prompt_is_written_as_one_would_type_it():
    assert parse("Warm:1, DARK:1.40; \N{MINUS SIGN}Busy -calm:2.0").text == (
        "warm dark:1.4 -busy -calm:2"
    )


@pytest.mark.parametrize("typed", [":", ":2", "-", "--", "--busy", "-:2", "\N{MINUS SIGN}-busy"])
def test_a_weight_or_minus_without_a_word_is_an_error(typed):
    with pytest.raises(PromptError, match=r'expected an adjective, with one minus .* "-busy"'):
        parse([typed, "warm"] if typed[-1] != ":" else typed)


@pytest.mark.parametrize("number", ["", "x", "nan", "inf", "9", "4.001", "-1", "1:2", "1.4.2"])
def test_a_weight_that_is_no_number_from_0_to_4_is_an_error(number):
    with pytest.raises(PromptError, match=f'has "dark:{number}"; expected a weight from 0 to 4'):
        parse(f"warm dark:{number}")


def test_a_very_long_weight_is_cut_in_the_message():
    with pytest.raises(PromptError) as caught:
        parse("dark:" + "9" * 100_000)
    assert len(str(caught.value)) < 200


@given(st.lists(st.floats(0, MAX_WEIGHT), min_size=1, max_size=MAX_WORDS), st.booleans())
def test_a_weight_that_was_written_is_read_back_to_the_last_digit(weights, avoided):
    sign = "-" if avoided else ""
    prompt = parse(f"{sign}w{i}:{weight!r}" for i, weight in enumerate(weights))
    assert [abs(term.weight) for term in prompt.terms] == weights
    assert parse(prompt.text) == prompt


# ---- as a person means it


@pytest.mark.parametrize(
    ("typed", "text"),
    [
        ("wa\N{ZERO WIDTH SPACE}rm \ufeffdark\N{RIGHT-TO-LEFT MARK}", "warm dark"),
        ("co\N{SOFT HYPHEN}ld \N{ZERO WIDTH JOINER}warm\N{ZERO WIDTH NON-JOINER}", "cold warm"),
        ("\N{RIGHT-TO-LEFT OVERRIDE}warm\N{POP DIRECTIONAL FORMATTING}", "warm"),
        ("“warm” ‘dark’ «pale» „calm“ 'red' \"blue\"", "warm dark pale calm red blue"),
        ("(warm) [dark] {pale} <calm> 「red」", "warm dark pale calm red"),
        ("(warm, dark)", "warm dark"),
        ("ｗａｒｍ，ｄａｒｋ：１．４；ｐａｌｅ", "warm dark:1.4 pale"),
        ("warm、dark，pale、calm", "warm dark pale calm"),
        ("warm،dark՝pale፣calm", "warm dark pale calm"),
        ("–busy —dense ‐tense −dark", "-busy -dense -tense -dark"),
        ("blue–green blue‑green", "blue-green blue-green"),
        ("warm—dark", "warm dark"),
        ("dark:1,5", "dark:1.5"),
        ("dark:1,5 warm:2,pale", "dark:1.5 warm:2 pale"),
        ("dark : 1.4, warm: 2", "dark:1.4 warm:2"),
        ("(dark:1.4) (warm):2 -(busy)", "dark:1.4 warm:2 -busy"),
        ("warm. Dark! pale…", "warm dark pale"),
        ("warm/dark|pale & calm + red", "warm dark pale calm red"),
        ("#warm *dark* _pale_", "warm dark pale"),
        ("don’t don't", "don't don't"),
    ],
)  # fmt: skip
def test_what_looks_alike_is_read_alike(typed, text):
    assert parse(typed).text == text
    assert parse(typed).other_words == ()


@pytest.mark.parametrize(
    ("typed", "text", "others"),
    [
        ("a warm and dark picture", "warm dark", ("a", "and", "picture")),
        ("not busy", "-busy", ("not",)),
        ("warm, without busy", "warm -busy", ("without",)),
        ("no dense:0.5", "-dense:0.5", ("no",)),
        ("not busy or dense, warm", "-busy -dense warm", ("not", "or")),
        ("neither busy nor dense", "-busy -dense", ("neither", "nor")),
        ("not busy, but warm", "-busy warm", ("not", "but")),
        ("not a very busy image", "-busy", ("not", "a", "very", "image")),
        ("very dark, slightly warm", "dark:1.5 warm:0.5", ("very", "slightly")),
        ("extremely dark:3", "dark:4", ("extremely",)),
        ("very -dark", "-dark:1.5", ("very",)),
        ("too dark", "dark", ("too",)),
    ],
)
def test_words_beside_the_adjectives_are_understood_or_left_out(typed, text, others):
    assert parse(typed).text == text
    assert parse(typed).other_words == others
    assert parse(parse(typed).text).other_words == ()


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("dark 1.4", 'the number "1.4"'),
        ("dark:1,2,5", 'the number "5"'),
        ("100%", 'the number "100"'),
        ("dark:", 'has "dark:"; expected a weight'),
        ("-(busy dense)", "expected one of its own for each"),
        ("(warm dark):1.4", "expected one of its own for each"),
        ("not (busy dense)", "expected one of its own for each"),
        ("not -busy", 'has "not -busy"; expected one "not" or one minus'),
        ("warm not", 'ends with "not"'),
        ("-very dark", 'has "-very"; expected an adjective'),
        ("and:2 warm", 'has "and:2"; expected an adjective'),
        ("warm - dark", 'has "-"; expected an adjective'),
        ("a picture", "no adjectives"),
    ],
)
def test_what_cannot_be_meant_is_one_sentence(typed, said):
    with pytest.raises(PromptError) as caught:
        parse(typed)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    "piece", ['"-', ": ", "-", '"', " ", "a,", ":1,", ".", '-"', "\u0301", "'"]
)
def test_much_of_anything_is_read_at_once(piece):
    with pytest.raises(PromptError) as caught:
        parse(piece * 20_000)
    assert len(str(caught.value)) < 300


def test_a_known_adjective_is_none_of_the_words_beside_them():
    assert not OTHER_WORDS.intersection(known_words())


# ---- bytes


def test_text_bytes_are_zero_padded_utf8():
    text_bytes, word_weights = text_bytes_from_words(["hé", "b"], 3, 4)
    assert text_bytes.dtype == np.uint8
    assert text_bytes.tolist() == [[0x68, 0xC3, 0xA9, 0], [0x62, 0, 0, 0], [0, 0, 0, 0]]
    assert word_weights.dtype == np.float32
    assert word_weights.tolist() == [1, 1, 0]


letters = st.characters(exclude_categories=["C", "Z"])


@given(st.lists(st.text(letters, min_size=1, max_size=8), min_size=1, max_size=MAX_WORDS))
def test_words_can_be_read_back_from_their_bytes(words):
    text_bytes, word_weights = text_bytes_from_words(words, MAX_WORDS, MAX_BYTES)
    rows = text_bytes[: int(word_weights.sum())]
    assert [bytes(row).rstrip(b"\0").decode("utf-8") for row in rows] == words
    assert not text_bytes[len(words) :].any()
