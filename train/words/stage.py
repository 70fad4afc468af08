"""The stage `words`: teachers, axis scores of the whole lexicon, and the distilled text engine."""

import json
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from scipy.stats import spearmanr
from torch import Tensor

from t2a_edge.vocabulary import known_words
from train.checkpoint import (
    is_finished,
    load_module,
    load_stage,
    load_tensors,
    read_report,
    save_tensors,
    with_prefix,
)
from train.lineage import BEST, write_record
from train.models.qat import convert
from train.models.text import TextEngine
from train.preset import Preset
from train.run import Run, stage_fit
from train.words.lexicon.labels import COLUMNS, Labels, load_labels
from train.words.lexicon.scores import Scorer, dictionary_links, features
from train.words.lexicon.teachers import Sources, cached_teachers, lexicon_words
from train.words.lexicon.wordnet import load_wordnet
from train.words.task import (
    Lexicon,
    WordsTask,
    embed_words,
    opposite_poles,
    principal_components,
)

STAGE = "words"
PAIRS = 3000  # words whose pairwise cosines are compared


def build_lexicon(preset: Preset, sources: Sources, folder: Path) -> tuple[Lexicon, dict[str, Any]]:
    """Targets for every adjective, cached in `folder`, and figures of the cross-validation.

    Raises:
        DataError: WordNet or a teacher is missing or damaged.
    """
    labels = load_labels()
    wordnet = load_wordnet(sources.wordnet)
    words = lexicon_words(wordnet, labels.words, preset.text.max_bytes)
    teachers = cached_teachers(words, wordnet, sources, folder / "teachers.safetensors")
    similar, opposite = dictionary_links(words, wordnet)
    scorer = Scorer(words, features(teachers, similar), similar, opposite)
    scores, figures = _cached_scores(scorer, labels, folder / "scores.safetensors")
    place = {word: i for i, word in enumerate(words)}
    antonyms = [(place[a], place[b]) for a, b in wordnet.antonyms() if a in place and b in place]
    pairs = torch.tensor(antonyms + opposite_poles(labels, place))
    teacher = principal_components(scorer.x, preset.words.teacher_dim)
    same = similar.strengths == 1
    synonyms = torch.stack([similar.rows[same], similar.columns[same]], dim=-1)
    return Lexicon(words, teacher, scores, teachers.rank, pairs, synonyms), figures


def _cached_scores(scorer: Scorer, labels: Labels, path: Path) -> tuple[Tensor, dict[str, Any]]:
    told = labels.scores.sum(1).tolist()
    key = json.dumps([COLUMNS, scorer.words, labels.words, told])
    if path.is_file():
        tensors, about = load_tensors(path)
        if about.get("key") == key:
            return tensors["scores"], about["figures"]
    figures = scorer.cross_validate(labels)
    scores = scorer.scores(labels)
    save_tensors(path, {"scores": scores}, {"key": key, "figures": figures})
    return scores, figures


def train_words(run: Run, sources: Sources) -> dict[str, Any]:
    """Distil the text engine; write `words/best.safetensors` and its report, once.

    Args:
        run: what this stage writes is in `words` below its folder; its data is not read.

    Raises:
        DataError: WordNet or a teacher is missing or damaged.
        CheckpointError: the folder holds a run of another preset.
    """
    preset, folder = run.preset, run.folder / STAGE
    if is_finished(folder):  # done; writing it again would change its sha256
        return read_report(folder)
    lexicon, figures = build_lexicon(preset, sources, folder)
    task = WordsTask(preset, lexicon, frozenset(load_labels().words))
    fit = stage_fit(run, STAGE, task, preset.words_fit, ("text", "words"))
    fit.run()
    task.module.eval()
    if preset.words_fit.qat_steps:
        convert(task.module.text)
    set_size(task)
    save_tensors(folder / BEST, task.module.state_dict(), fit.about)
    return write_record(
        run, fit, data=sources.record(), inputs={}, lexicon=len(lexicon.words),
        scores_cross_validated=figures, int8_bytes=int8_bytes(task.module.text),
        val=task.validate(), geometry=geometry(task), closeness=closeness(task),
    )  # fmt: skip


def set_size(task: WordsTask) -> None:
    """Scale the last layer so that the vocabulary's embeddings have entries of RMS 1.

    It changes no direction, and the INT8 steps, one a channel, scale along.
    """
    module = task.module
    size = embed_words(module.text, known_words()).square().mean().sqrt()
    with torch.no_grad():
        module.text.second.weight.div_(size)
        module.text.second.bias.div_(size)
        module.head.weight.mul_(size)
    module.text.second.update_weight_scale()


def int8_bytes(engine: TextEngine) -> int:
    """Size of the engine's weights with matrices and table in INT8 and the rest in float32."""
    return sum(p.numel() * (1 if p.dim() > 1 else 4) for p in engine.parameters())


def geometry(task: WordsTask) -> dict[str, float]:
    """Spearman correlation of pairwise cosines, engine's against targets', in [-1, 1].

    Returns:
        all: over a sample of the lexicon; shown: over its words with a strong axis score;
        held_out: over strings that training never saw, where there are any.
    """
    rng = torch.Generator().manual_seed(0)
    size = len(task.lexicon.words)
    groups = {
        "all": torch.randperm(size, generator=rng)[:PAIRS],
        "shown": (task.lexicon.scores.abs().amax(1) > 0.5).nonzero()[:, 0],
    }
    if len(task.held_out):
        groups["held_out"] = torch.from_numpy(task.held_out)
    found = {}
    for name, picks in groups.items():
        picks = picks[torch.randperm(len(picks), generator=rng)[:PAIRS]]
        ours = embed_words(task.module.text, [task.lexicon.words[int(i)] for i in picks])
        found[name] = round(spearman(_cosines(ours), _cosines(task.targets[picks])), 4)
    return found


def closeness(task: WordsTask) -> dict[str, float]:
    """Mean cosine of synonyms, of antonyms and opposite poles, and of any two words, in [-1, 1]."""
    rng = torch.Generator().manual_seed(0)
    groups = {
        "synonyms": task.lexicon.synonyms,
        "antonyms": task.lexicon.antonyms,
        "any": torch.randint(len(task.lexicon.words), (PAIRS, 2), generator=rng),
    }
    found = {}
    for name, pairs in groups.items():
        if len(pairs):
            picks = pairs[torch.randperm(len(pairs), generator=rng)[:PAIRS]]
            words = [task.lexicon.words[int(i)] for i in picks.flatten()]
            ends = F.normalize(embed_words(task.module.text, words), dim=-1).view(len(picks), 2, -1)
            found[name] = round(float((ends[:, 0] * ends[:, 1]).sum(-1).mean()), 4)
    return found


def _cosines(x: Tensor) -> Tensor:
    units = F.normalize(x, dim=-1)
    above = torch.triu_indices(len(x), len(x), 1)
    return (units @ units.T)[above[0], above[1]]  # (pairs,)


def spearman(a: Tensor, b: Tensor) -> float:
    """Rank correlation of two (M,) tensors."""
    return float(spearmanr(a.numpy(), b.numpy()).statistic)


def load_words(run_folder: Path) -> dict[str, Tensor]:
    """The distilled engine's weights, as `TextEngine.load_state_dict` takes them.

    Args:
        run_folder: of a run whose stage `words` is over.

    Raises:
        CheckpointError: there is no finished stage `words`.
    """
    tensors, _ = load_stage(run_folder, STAGE, "text engine")
    return with_prefix(tensors, "text")


def load_text_engine(run_folder: Path, preset: Preset) -> TextEngine:
    """The distilled engine as the INT8 engines will compute it; float if there were no such steps.

    Raises:
        CheckpointError: there is no finished stage `words`, or the preset does not fit it.
    """
    engine = TextEngine(preset.text)
    load_module(engine, load_words(run_folder), "text engine")
    if preset.words_fit.qat_steps:
        convert(engine)
    return engine.eval()
