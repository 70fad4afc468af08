"""The model card of a bundle, written from its manifest: no figure in it is typed by hand."""

from collections.abc import Mapping, Sequence
from typing import Any

from export.parity import SIDES
from t2a_edge.bundle import Bundle
from t2a_edge.errors import BundleError

CARD = "MODEL_CARD.md"
HASH_DIGITS = 16
RECORD = (
    "stage", "command", "overrides", "seed", "data", "inputs", "outputs", "steps", "float_steps",
    "samples", "seconds", "samples_per_second", "processes", "machine",
)  # fmt: skip
"""What a stage's report says of how it was made; the rest are figures."""
MOST_FIGURES = 40  # of a stage


def model_card(bundle: Bundle) -> str:
    """Markdown with data, licence, figures, limits and the commands that made the bundle.

    Raises:
        BundleError: the manifest does not say what was trained and measured.
    """
    try:
        return _card(bundle)
    except (KeyError, TypeError, ValueError, AttributeError) as exc:
        raise BundleError(
            f"The manifest in {bundle.folder} does not say all that a model card tells ({exc!r}); "
            "export the bundle again."
        ) from exc


def _card(bundle: Bundle) -> str:
    manifest, spec = bundle.manifest, bundle.spec
    about, told = manifest["about"], manifest["card"]
    images = told["data"]["images"]
    parts = [
        f"# {about['title']}",
        f"Adjectives in, an abstract picture of {spec.image_size} x {spec.image_size} pixels out. "
        f"{manifest['parameters']:,} parameters, {bundle.precision.upper()} engines, "
        f"{bundle.size_bytes / 1e6:.2f} MB. {spec.side} x {spec.side} latents of {spec.depth} "
        f"numbers, {spec.forms} forms, scales {list(spec.scales)}, {spec.codebook_size} codes of "
        f"{spec.code_dim} dimensions.",
        f"- Licence of the weights: {about['licence']}\n"
        f"- Training images: {about['data']}\n"
        f"- Split: {', '.join(f'{count} {split}' for split, count in images.items())}\n"
        f"- Studio pictures: {told['data'].get('studio_pictures', 0)}\n"
        f"- Adjectives that training used: {len(bundle.vocabulary)}\n"
        f"- Bundle: `{bundle.bundle_hash}`, from checkpoint "
        f"`{manifest['checkpoint_sha256'][:HASH_DIGITS]}`, commit `{manifest['source_commit']}`",
        *_stages(told["lineage"]),
        *_scores_section(manifest.get("scores")),
        "## Export\n\nThe way from the model in torch to these files, link by link (PARITY.md).",
        _parity_list(manifest["parity"], manifest["integer_kernels"]),
        f"## Limits\n\n{about['limits']}",
        "The shipped bundle drew docs/samples.png, eight prompts by six seeds, and "
        "docs/prompts.jpg, 24 by eight; `make samples` draws both.",
    ]
    return "\n\n".join(parts) + "\n"


def _stages(lineage: Sequence[Mapping[str, Any]]) -> list[str]:
    """How it was made: a row for each stage, then what each measured."""
    if not lineage:
        return ["## How it was made\n\nThe checkpoint does not say."]
    rows = ["| stage | command | seed | steps | minutes | on |", "| --- |" + " --- |" * 5]
    figures = []
    for record in lineage:
        rows.append(
            f"| {record['stage']} | `{record['command']}` | {record['seed']} | {record['steps']:,} "
            f"| {record['seconds'] / 60:.0f} | {record['machine']['processor']} |"
        )
        own = {key: value for key, value in record.items() if key not in RECORD}
        lines = [f"- {name}: {value}" for name, value in _flat(own)]
        if lines:
            figures.append(f"### {record['stage']}\n\n" + "\n".join(lines[:MOST_FIGURES]))
    made = "Each stage's command, its seed, and the time it took on the machine that it ran on."
    table = "\n".join(rows)
    return [f"## How it was made\n\n{made}\n\n{table}", "## Figures of the stages", *figures]


def _flat(values: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """Numbers within figures by their dotted names; texts and lists are not told."""
    found: list[tuple[str, str]] = []
    for key, value in values.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping):
            found += _flat(value, f"{name}.")
        elif isinstance(value, int | float) and not isinstance(value, bool):
            found.append((name, f"{value:.4g}" if isinstance(value, float) else f"{value:,}"))
    return found


def _scores_section(scores: dict[str, Any] | None) -> list[str]:
    """Whether pictures follow the words, if `make follow` has measured it."""
    if scores is None:
        return ["## Words\n\nWhether pictures follow the words was not measured: `make follow`."]
    lines = [
        "## Words",
        f"Measured attributes of {scores['seeds']} pictures a prompt, against those of pictures "
        "drawn without words (`make follow`). The same measures named some of the words that "
        "training showed, so they are no independent judge; docs/attributes.md says how well they "
        "agree with annotators.",
    ]
    seen, unseen = scores["seen"], scores["unseen"]
    variety = scores["diversity"].get("ratio")
    rows = [
        ("known adjectives that move to their pole", seen["words"]),
        ("single pictures on the named side", seen["images"]),
        (f"the same for {unseen['count']} adjectives in no label", unseen["words"]),
        ("single pictures of those", unseen["images"]),
        ("three-adjective prompts that reach all three", scores["triples"]["prompts"]),
        ("weights from 0.5 to 2 that pull further and further", scores["algebra"]["weights"]),
        ("blends that go from pole to pole", scores["algebra"]["blends"]),
        ("avoided words that move the other way", scores["algebra"]["negations"]),
        (
            "difference of seeds, against that of training paintings",
            variety,
        ),
        ("effect of the words, INT8 against FP32", scores["precision"].get("ratio")),
    ]
    table = ["| figure | share |", "| --- | --- |"]
    table += [f"| {name} | {_share(value)} |" for name, value in rows]
    axes = ["| axis | known: words, pictures | in no label: words, pictures |"]
    axes.append("| --- | --- | --- |")
    for axis, figures in scores["by_axis"]["seen"].items():
        other = scores["by_axis"]["unseen"].get(axis, {})
        cells = [
            f"{_share(part.get('words'))}, {_share(part.get('images'))}"
            for part in (figures, other)
        ]
        axes.append(f"| {axis} | {' | '.join(cells)} |")
    return [*lines, "\n".join(table), "\n".join(axes)]


def _share(value: float | None) -> str:
    return "not measured" if value is None else f"{value:.1%}"


def _parity_list(parity: dict[str, Any], kernels: dict[str, dict[str, int]]) -> str:
    lines = []
    for link, (reference, candidate) in SIDES.items():
        if link not in parity:
            continue
        figures = parity[link]
        lines.append(
            f"- {candidate} against {reference}: {figures['psnr_db']:.1f} dB between the pixels of "
            f"the same indices, {figures['agreement']:.2%} of the indices of the same latents "
            f"agree, {figures['choices']:.1%} of the forms of the same words and "
            f"{figures['seed_agreement']:.1%} of the indices of the same seed; attributes differ "
            f"by {figures['attribute_absdiff']:.3f}"
        )
    if kernels:
        convs, linears = (sum(k[kind] for k in kernels.values()) for kind in ("conv", "linear"))
        lines.append(f"- integer kernels: {convs} convolutions and {linears} linear layers, all")
    return "\n".join(lines)
