"""Codes of forms: a few numbers for each patch of a form, summed from tables of whole numbers.

    form (64, 64) int8  ->  codes (N, S): of each square patch, S codes, one of each table
    codes (N, S)        ->  the sum of S table rows a patch, clipped to int8

The sum is of integers, so every runtime makes the same form of the same codes. Training takes
tables that are fitted one after the other, each to what those before it leave (`fitted_codec`). The
bank, which ships, has tables that are fitted together, to its own forms (`settled_codec`): what is
lost of a form wobbles in the picture. Sources: residual quantisation, Juang and Gray 1982,
doi:10.1109/ICASSP.1982.1171604; tables solved for together and a beam of codes, Babenko and
Lempitsky 2014, doi:10.1109/CVPR.2014.124.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from t2a_edge.form import MOST, SIDE
from train.checks import require

ITERATIONS = 12
SAMPLED = 120_000  # patches that a table is fitted to
AT_ONCE = 16_384
FORMS_AT_ONCE = 256
BEAM = 4  # candidates that a search for codes keeps, while tables are fitted
LAST_BEAM = 16  # and at the end
ROUNDS = 3  # of codes, then tables
RIDGE = 0.5  # keeps rows that nothing uses finite
SEARCHED = 2048  # patches at once


@dataclass(frozen=True, kw_only=True)
class FormConfig:
    """What training sees of forms, and the space in which words choose one.

    Attributes:
        patch: side of the patches that codes stand for; small ones need small tables, and keep
            twice as much of a form in the same bytes.
        stages: table rows that a patch of a coded form is summed from.
        codes: rows of each table.
        coded: share of training forms that the painter sees as the codes leave them.
        key: numbers of a form's key and of a word's vector.
        doubt: how likely what is known of a form is wrong.
    """

    patch: int = 8
    stages: int = 5
    codes: int = 256
    coded: float = 0.6
    key: int = 64
    doubt: float = 0.005

    def __post_init__(self) -> None:
        require(
            self.patch >= 1 and SIDE % self.patch == 0,
            f"form.patch is {self.patch}; expected a divisor of {SIDE}.",
        )


@dataclass(frozen=True, kw_only=True)
class BankConfig:
    """The bank of forms that ships.

    Attributes:
        size: how many.
        paintings: share of them that are of paintings; the others are of the studio.
        clear: share of the training views, those that codes leave most of, that it is filled from.
        stages: table rows that a patch is summed from, of `form.codes` each.
        settling: steps in which the keys move to what is known of each form.
        faith: weight of how far they move from what the encoder says.
    """

    size: int = 1100
    paintings: float = 0.3
    clear: float = 0.75
    stages: int = 10
    settling: int = 1200
    faith: float = 0.05


@dataclass(frozen=True)
class FormCodec:
    """Tables of residual codes.

    Attributes:
        tables: (S, K, P) int8, P the numbers of a patch.
    """

    tables: Tensor

    @property
    def patch(self) -> int:
        """Side of a patch."""
        side: int = round(self.tables.shape[-1] ** 0.5)
        return side

    def encode(self, forms: Tensor) -> Tensor:
        """(M, 64, 64) int8 -> codes (M, N, S) int16, stage by stage the nearest row."""
        left = patches(forms, self.patch).flatten(0, 1).float()  # (M * N, P)
        chosen = []
        for table in self.tables.float():
            codes = torch.cat([_nearest(part, table) for part in torch.split(left, AT_ONCE)])
            left = left - table[codes]
            chosen.append(codes.to(torch.int16))
        return torch.stack(chosen, dim=-1).view(len(forms), -1, len(self.tables))

    def encode_all(self, forms: Tensor) -> Tensor:
        """As `encode`, of any number."""
        return torch.cat([self.encode(part) for part in torch.split(forms, FORMS_AT_ONCE)])

    def decode(self, codes: Tensor, stages: int | None = None) -> Tensor:
        """Codes (M, N, S) -> forms (M, 64, 64) int8, of the first so many stages."""
        total = torch.zeros(*codes.shape[:2], self.tables.shape[-1], dtype=torch.int32)
        for stage in range(stages or len(self.tables)):
            total += self.tables[stage][codes[..., stage].long()].int()
        return _joined(total.clamp(-MOST, MOST).to(torch.int8))


def fitted_codec(forms: Tensor, stages: int, codes: int, patch: int, seed: int = 0) -> FormCodec:
    """Tables by k-means over what the tables before them leave of patches of forms."""
    generator = torch.Generator().manual_seed(seed)
    every = patches(forms, patch).flatten(0, 1)
    picks = torch.randint(len(every), (min(SAMPLED, len(every)),), generator=generator)
    left = every[picks].float()
    tables = []
    for _ in range(stages):
        table = left[torch.randperm(len(left), generator=generator)[:codes]].clone()
        for _ in range(ITERATIONS):
            near = torch.cat([_nearest(part, table) for part in torch.split(left, AT_ONCE)])
            counts = torch.bincount(near, minlength=codes)
            sums = torch.zeros_like(table).index_add_(0, near, left)
            table = torch.where(counts[:, None] > 0, sums / counts.clamp_min(1)[:, None], table)
            lost = (counts == 0).nonzero().flatten()
            again = torch.randint(len(left), (len(lost),), generator=generator)
            table[lost] = left[again]
        table = table.round().clamp(-MOST, MOST)
        near = torch.cat([_nearest(part, table) for part in torch.split(left, AT_ONCE)])
        left = left - table[near]
        tables.append(table.to(torch.int8))
    return FormCodec(torch.stack(tables))


def settled_codec(forms: Tensor, stages: int, codes: int, patch: int) -> tuple[FormCodec, Tensor]:
    """Tables that are fitted together to forms, and the forms' codes.

    Args:
        forms: (M, 64, 64) int8.

    Returns:
        The tables, and codes (M, N, S) int16.
    """
    every = patches(forms, patch).flatten(0, 1).float()
    tables = fitted_codec(forms, stages, codes, patch).tables.float()
    for _ in range(ROUNDS):
        tables = _solved(every, searched(every, tables, BEAM), codes)
    whole = tables.round().clamp(-MOST, MOST).to(torch.int8)
    found = searched(every, whole.float(), LAST_BEAM).to(torch.int16)
    return FormCodec(whole), found.view(len(forms), -1, stages)


def searched(vectors: Tensor, tables: Tensor, beam: int) -> Tensor:
    """Codes of vectors, by a search that keeps so many best sums after each table.

    Args:
        vectors: (M, P) float32.
        tables: (S, K, P) float32.

    Returns:
        (M, S) int64.
    """
    lengths = tables.square().sum(2)  # (S, K)
    found = []
    for part in torch.split(vectors, SEARCHED):
        left, errors = part.unsqueeze(1), part.square().sum(1, keepdim=True)
        codes = torch.zeros(len(part), 1, 0, dtype=torch.int64)
        for table, length in zip(tables, lengths, strict=True):
            after = errors.unsqueeze(2) + length - 2 * left @ table.T  # (m, beam, K)
            count = min(beam, after[0].numel())
            errors, picks = after.flatten(1).topk(count, dim=1, largest=False)
            parents, added = picks // len(table), picks % len(table)
            left = _rows(left, parents) - table[added]
            codes = torch.cat([_rows(codes, parents), added.unsqueeze(2)], dim=2)
        found.append(codes[torch.arange(len(part)), errors.argmin(1)])
    return torch.cat(found)


def _rows(values: Tensor, picks: Tensor) -> Tensor:
    """(m, n, P) and (m, k) -> (m, k, P)."""
    return values.gather(1, picks.unsqueeze(2).expand(-1, -1, values.shape[2]))


def _solved(vectors: Tensor, chosen: Tensor, codes: int) -> Tensor:
    """Tables (S, K, P) whose rows, as chosen (M, S), add up to vectors (M, P) most nearly."""
    stages = chosen.shape[1]
    rows = chosen + torch.arange(stages) * codes
    sums = torch.zeros(stages * codes, vectors.shape[1])
    together = torch.zeros(stages * codes, stages * codes)
    for stage in range(stages):
        sums.index_add_(0, rows[:, stage], vectors)
        for other in range(stages):
            places = rows[:, stage] * stages * codes + rows[:, other]
            together += torch.bincount(places, minlength=together.numel()).view_as(together)
    together += RIDGE * torch.eye(stages * codes)
    tables: Tensor = torch.linalg.solve(together, sums)
    return tables.view(stages, codes, -1)


def patches(forms: Tensor, size: int) -> Tensor:
    """(M, 64, 64) -> (M, (64 / size)², size²), row by row."""
    side = SIDE // size
    cut = forms.view(len(forms), side, size, side, size).transpose(2, 3)
    return cut.reshape(len(forms), side * side, size * size)


def _joined(cut: Tensor) -> Tensor:
    side, size = round(cut.shape[1] ** 0.5), round(cut.shape[2] ** 0.5)
    whole = cut.view(len(cut), side, side, size, size).transpose(2, 3)
    return whole.reshape(len(cut), side * size, side * size)


def _nearest(vectors: Tensor, table: Tensor) -> Tensor:
    """(M, P) and (K, P) -> (M,) int64."""
    return (table.square().sum(1) - 2 * vectors @ table.T).argmin(1)
