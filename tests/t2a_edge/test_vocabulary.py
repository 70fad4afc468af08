"""The known words: axes, hues, moods and forms."""

from pathlib import Path

from t2a_edge.prompt import parse_prompt
from t2a_edge.vocabulary import FORMS, HUES, MOODS, known_words, poles
from train.studio import forms as studio

PAGE = Path(__file__).parents[2] / "docs" / "prompts.md"


def test_no_word_is_known_twice():
    assert len(set(known_words())) == len(known_words()) == len([*poles(), *HUES, *MOODS, *FORMS])


def test_forms_are_the_plainest_names_of_what_the_studio_draws():
    plainest = {words[0] for words in studio.FORMS.values()}
    assert set(FORMS) == plainest - {*poles(), *HUES, *MOODS}
    assert len(FORMS) >= 40


def test_every_known_word_is_typed_as_it_stands():
    for word in known_words():
        assert parse_prompt(word, max_words=8, max_bytes=32).words == (word,)


def test_the_page_about_prompts_lists_the_forms():
    page = " ".join(PAGE.read_text(encoding="utf-8").split())
    assert f" {', '.join(FORMS)}." in page
