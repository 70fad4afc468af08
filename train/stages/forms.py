"""The stage `forms`: how words choose a form is learned, and the bank is filled."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from train.checkpoint import (
    is_finished,
    load_module,
    load_tensors,
    read_report,
    save_tensors,
    with_prefix,
)
from train.data.augment import is_colour
from train.data.views import Views
from train.lineage import BEST, data_record, write_record
from train.models.bank import settled_codec
from train.models.chooser import Chooser, Query, logits_of, naming_loss
from train.models.painter import floats_of_form
from train.models.qat import QMAX, convert, prepare
from train.models.whole import Bank
from train.preset import Preset
from train.run import Run, stage_fit
from train.stages.chooser_task import UNKNOWN, ChooserTask, Int8Array, named_words
from train.stages.painter import Prepared
from train.studio.forms import UPRIGHT

BANK = "bank.safetensors"
AT_ONCE = 256
SETTLING_RATE = 2e-3
NOTHING_SAID = 0.02  # weight of what words of colour say


@dataclass(frozen=True)
class Candidates:
    """Views whose forms could enter the bank.

    Attributes:
        rows: (M,) of the source.
        keys: (M, Q).
        own: (M,) how well each one's own words find it, beside the mean form.
        groups: (M,) what it is one of many of: its family in the studio, its picture elsewhere.
        left: (M,) share of a form's variance that codes leave out.
    """

    rows: npt.NDArray[np.int64]
    keys: Tensor
    own: npt.NDArray[np.float32]
    groups: npt.NDArray[np.int64]
    left: npt.NDArray[np.float64]

    def clearest(self, share: float, within: npt.NDArray[np.int64]) -> "Candidates":
        """The share of each of the groups `within`, (M,), that codes leave most of."""
        keep = []
        for group in np.unique(within):
            members = np.flatnonzero(within == group)
            order = np.argsort(self.left[members], kind="stable")
            keep.append(members[order][: math.ceil(share * len(members))])
        kept = np.sort(np.concatenate(keep))
        return Candidates(
            self.rows[kept], self.keys[torch.from_numpy(kept)], self.own[kept], self.groups[kept],
            self.left[kept],
        )  # fmt: skip


def train_forms(run: Run, ready: Prepared) -> dict[str, Any]:
    """Train the choice of forms, fill the bank; write both and the report."""
    task = ChooserTask(run.preset, ready.mix, ready.table)
    fit = stage_fit(
        run, "forms", task, run.preset.chooser_fit, ("latent", "form", "wording"), key=ready.key
    )
    if is_finished(fit.folder):
        return read_report(fit.folder)
    fit.run()
    task.module.eval()
    figures: dict[str, Any] = {"val": task.validate(), "left_by_codes": left_by_codes(ready)}
    bank, named = filled_bank(task, ready, run.preset)
    tensors = {f"query.{k}": v for k, v in task.module.query.state_dict().items()}
    tensors |= {f"bank.{name}": value for name, value in bank.tensors().items()}
    save_tensors(fit.folder / BANK, tensors, {"key": ready.key})
    figures |= {"forms": len(bank.codes), "bank": named}
    return write_record(
        run, fit, data=data_record(run, more=True), inputs=ready.inputs, outputs=(BEST, BANK),
        **figures,
    )  # fmt: skip


def trained_forms(run: Run) -> tuple[Query, Bank]:
    """The query of the run's forms stage, and its bank."""
    tensors, _ = load_tensors(run.folder / "forms" / BANK)
    query = Query(run.preset.text.width, run.preset.form.key)
    load_module(query, with_prefix(tensors, "query"), "query")
    convert(query)
    return query.eval(), Bank.of(with_prefix(tensors, "bank"))


def filled_bank(
    task: ChooserTask, ready: Prepared, preset: Preset
) -> tuple[Bank, dict[str, float]]:
    """Clear forms whose own words find them, as many of each family of the studio as of another.

    Returns:
        The bank; and the share of its forms' variance that their codes leave out, with the figures
        of `settled_keys`. The task's query is fake-quantised then.
    """
    config = preset.bank
    others = len(ready.views) - 1
    counts = [round(config.size * (1 - config.paintings)) if others else config.size]
    counts += [(config.size - counts[0]) // others for _ in range(others)]
    forms, upright, known = [], [], []
    chooser = task.module
    with torch.no_grad():
        query = chooser.query(task.words)[:, :-1]
    given = zip(
        ready.sources.values(), ready.views, ready.mix.again, task.labels, counts, strict=True
    )
    for pictures, source, again, labels, count in given:
        found = candidates(chooser, source, again, labels, query, pictures.each)
        families = found.groups if source.records else np.zeros_like(found.groups)
        found = found.clearest(config.clear, families)
        picked = found.rows[chosen_rows(found, count)]
        forms.append(torch.from_numpy(source.forms[picked]))
        known.append(torch.from_numpy(labels[picked]))
        traits = [source.records[r].seen.traits if source.records else () for r in picked]
        upright += [UPRIGHT in seen for seen in traits]
    wanted = torch.cat(forms)
    form = preset.form
    codec, codes = settled_codec(wanted, config.stages, form.codes, form.patch)
    shown = codec.decode(codes)
    keys, figures = settled_keys(task, shown, torch.cat(known), preset)
    step = float(keys.abs().max()) / QMAX
    rounded = (keys / step).round().to(torch.int8)
    figures["left_by_codes"] = _share_left(shown, wanted)
    return Bank(codec, codes, rounded, step, torch.tensor(upright)), figures


def settled_keys(
    task: ChooserTask, forms: Tensor, labels: Tensor, preset: Preset
) -> tuple[Tensor, dict[str, float]]:
    """Keys of the bank's forms, moved from what the encoder says to what is known of each.

    The query learns along, fake-quantised. Words of colour are to be as true of one form as of
    another: a form is painted in any.

    Args:
        forms: (M, 64, 64) int8.
        labels: (M, V) as `word_labels` gives them.

    Returns:
        Keys (M, Q); and the share of known words, true ones first, that are told rightly.
    """
    chooser, config = task.module, preset.bank
    start = _keys(chooser, forms)
    colours = torch.tensor([is_colour(word) for word in named_words()])
    labels = labels.masked_fill(colours, UNKNOWN)
    keys = start.clone().requires_grad_(True)
    prepare(chooser.query, preset.qat)
    chooser.query.train()
    optimizer = torch.optim.Adam([keys, *chooser.query.parameters()], lr=SETTLING_RATE)
    for step in range(config.settling):
        for group in optimizer.param_groups:
            group["lr"] = SETTLING_RATE * (1 - step / config.settling)
        logits = logits_of(keys, chooser.query(task.words))
        loss = naming_loss(logits, labels, preset.form.doubt)
        loss = loss + config.faith * (keys - start).square().mean()
        loss = loss + NOTHING_SAID * logits[:, colours].var(0).mean()
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    chooser.query.eval()
    convert(chooser.query)
    with torch.no_grad():
        told = logits_of(keys, chooser.query(task.words)) > 0
        right = {"true": float(told[labels == 1].float().mean()),
                 "false": float((~told[labels == 0]).float().mean())}  # fmt: skip
        return keys.detach(), right


def left_by_codes(ready: Prepared) -> list[float]:
    """Share of the variance of held-out forms that one code, two and more of a patch leave."""
    forms = torch.from_numpy(np.concatenate([v.forms[v.held_out][:AT_ONCE] for v in ready.views]))
    codes, stages = ready.form_codec.encode(forms), range(1, len(ready.form_codec.tables) + 1)
    return [_share_left(ready.form_codec.decode(codes, count), forms) for count in stages]


def _share_left(again: Tensor, forms: Tensor) -> float:
    """Share of the variance of forms (M, 64, 64) that is lost where codes leave `again` of them."""
    return round(float((again.float() - forms.float()).square().mean() / forms.float().var()), 4)


@torch.no_grad()
def _keys(chooser: Chooser, forms: Tensor) -> Tensor:
    parts = [chooser.encoder(floats_of_form(part)) for part in torch.split(forms, AT_ONCE)]
    return torch.cat(parts)


@torch.no_grad()
def candidates(
    chooser: Chooser, source: Views, again: Int8Array, labels: Int8Array, query: Tensor, each: int
) -> Candidates:
    """Keys of a source's training views, and how well their words find them.

    Args:
        again: (M, 64, 64), forms as their codes leave them.
        labels: (M, V), which words are true of each view.
        query: (V, Q), of each word.
        each: views of a picture, which follow each other.
    """
    rows = np.flatnonzero(~source.held_out)
    keys = _keys(chooser, torch.from_numpy(again[rows]))
    true = torch.from_numpy(labels[rows] == 1).float()
    said = true @ query / true.sum(1, keepdim=True).clamp_min(1)  # (M, Q)
    own = (said * (keys - keys.mean(0))).sum(1).numpy()
    if source.records is None:
        groups = rows // each
    else:
        families = [source.records[row].composition.family for row in rows]
        groups = np.unique(families, return_inverse=True)[1]
    return Candidates(rows, keys, own, groups, _left_out(again[rows], source.forms[rows]))


def _left_out(again: Int8Array, forms: Int8Array) -> npt.NDArray[np.float64]:
    """(M, 64, 64) of forms as codes leave them, and of the forms -> shares of variance (M,)."""
    shares = []
    for coded, form in zip(again, forms, strict=True):
        whole = form.astype(np.float64)
        shares.append(np.square(coded - whole).mean() / max(whole.var(), 1))
    return np.array(shares)


def chosen_rows(found: Candidates, count: int) -> list[int]:
    """Positions of `count` candidates: group by group the one that its words find best.

    Where groups are families of many, one that is much like a chosen one of its family is passed
    over as long as there are others.
    """
    members = [np.flatnonzero(found.groups == g) for g in np.unique(found.groups)]
    if len(members) >= count:  # one each at most: the groups that are found best
        best = sorted((m[np.argmax(found.own[m])] for m in members), key=lambda i: -found.own[i])
        return [int(i) for i in best[:count]]
    unit = torch.nn.functional.normalize(found.keys - found.keys.mean(0), dim=1)
    chosen: list[int] = []
    each = [count // len(members) + (n < count % len(members)) for n in range(len(members))]
    for group, wanted in zip(members, each, strict=True):
        pool = group[np.argsort(-found.own[group])][: max(wanted, len(group) // 2)]
        value = torch.from_numpy(found.own[pool].copy())
        value = (value - value.mean()) / value.std().clamp_min(1e-6)
        near = torch.full((len(pool),), -1.0)
        for _ in range(min(wanted, len(pool))):
            pick = int((value - 3 * near).argmax())
            chosen.append(int(pool[pick]))
            near = torch.maximum(near, unit[pool] @ unit[pool[pick]])
            value[pick] = -torch.inf
    return chosen
