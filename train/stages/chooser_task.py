"""Training of the choice of forms on encoded views and the words that are true of them."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from t2a_edge.errors import ConfigError
from t2a_edge.vocabulary import known_words, poles
from train.data.pictures import turned_words
from train.data.views import Views
from train.models.chooser import Chooser, naming_loss
from train.models.images import autocast
from train.models.painter import floats_of_form
from train.preset import Preset
from train.stages.painter_task import VALIDATED, ViewMix, WordTable
from train.studio.forms import form_words, forms_shown
from train.studio.words import true_words

UNKNOWN = -1
Int8Array = npt.NDArray[np.int8]


def named_words() -> tuple[str, ...]:
    """All words that a form can be named by."""
    return tuple(sorted({*known_words(), *form_words()}))


def word_labels(views: Views, words: Sequence[str]) -> Int8Array:
    """Which words are true of each view: (M, V), 1 or 0, -1 where nobody knows.

    All of a picture of the studio is known. Of another, its adjectives are true and those of an
    opposite pole are not.
    """
    place = {word: number for number, word in enumerate(words)}
    labels = np.full((len(views), len(words)), UNKNOWN, dtype=np.int8)
    for row in range(len(views)):
        if views.records is None:
            said, false = views.words[row], _opposites(views.words[row])
            labels[row, [place[word] for word in false if word in place]] = 0
        else:
            record = views.records[row]
            seen = record.seen
            said = tuple(true_words(record.composition, seen))
            shown = forms_shown(seen.traits, seen.visible)
            said += tuple(word for names in shown.values() for word in names)
            if views.quarter[row]:
                said = turned_words(said)
            labels[row] = 0
        labels[row, [place[word] for word in said if word in place]] = 1
    return labels


def _opposites(words: Sequence[str]) -> list[str]:
    ends = poles()
    against = {(axis, -sign) for axis, sign in (ends[w] for w in words if w in ends)}
    return [word for word, end in ends.items() if end in against]


class ChooserTask:
    """The loss and validation of words and forms in one space; see `train.loop.Task`."""

    def __init__(self, preset: Preset, mix: ViewMix, table: WordTable) -> None:
        self.preset, self.mix = preset, mix
        words = named_words()
        self.labels = [word_labels(source, words) for source in mix.sources]
        self.words = torch.cat([table.of([[word]]).embedding[0] for word in words])  # (V, T)
        torch.manual_seed(preset.chooser_fit.seed)
        self.module = Chooser(preset.text.width, preset.form.key)
        self.module.encoder.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def loss(self, step: int, rng: np.random.Generator) -> dict[str, Tensor]:
        """Each form is named by all words that are known to be true of it or not."""
        places = self.mix.places(rng, self.preset.chooser_fit.batch)
        form = torch.from_numpy(np.stack([self.mix.form(*place, rng) for place in places]))
        labels = torch.from_numpy(np.stack([self.labels[n][row] for n, row in places]))
        flip = torch.from_numpy(rng.random(len(form)) < 0.5)[:, None, None]
        return {"loss": self._loss(torch.where(flip, form.flip(2), form), labels)}

    def _loss(self, form: Tensor, labels: Tensor) -> Tensor:
        with autocast():
            logits = self.module(floats_of_form(form), self.words)
        return naming_loss(logits.float(), labels)

    @torch.no_grad()
    def validate(self) -> dict[str, float]:
        """The loss on held-out views of each source."""
        losses = []
        for source, labels in zip(self.mix.sources, self.labels, strict=True):
            rows = np.flatnonzero(source.held_out)[:VALIDATED]
            if len(rows):
                form = torch.from_numpy(source.forms[rows])
                losses.append(self._loss(form, torch.from_numpy(labels[rows])))
        return {"loss": float(torch.stack(losses).mean())}

    def start_qat(self) -> None:
        """The query is fake-quantised where the bank's keys settle."""
        raise ConfigError("chooser_fit.qat_steps is above 0; expected 0. Raise bank.settling.")
