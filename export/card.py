"""The model card of a bundle, written from its manifest: no figure in it is typed by hand."""

from typing import Any

from export.parity import SIDES
from t2a_edge.bundle import Bundle
from t2a_edge.errors import BundleError
from t2a_edge.spec import Spec

CARD = "MODEL_CARD.md"
CODEC_FIGURES = {
    "mse": "mean squared error, pixels in [-1, 1]",
    "relative_mse": "the same, divided by the variance of the pixels",
    "psnr_db": "PSNR, dB",
    "ciede2000": "mean colour difference, CIEDE2000",
    "usage": "share of the codebook that is used",
    "perplexity": "codebook perplexity",
    "images": "images",
}
SPLITS = {"val": "val", "test": "test", "held_out": "together"}
FURTHER = ("selection", "reselection", "composition")  # stages that teach the generator further
DRAWERS = ("preference", "reward")  # stages that teach all that draws
FURTHER_DRAWING = ("refinement", *DRAWERS)  # and those that teach the refiner further


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
    manifest = bundle.manifest
    about = manifest["about"]
    spec, training = bundle.spec, manifest["card"]["training"]
    images = manifest["card"]["data"]["images"]
    parts = [
        f"# {about['title']}",
        f"Adjectives in, an abstract picture of {spec.image_size} x {spec.image_size} pixels out. "
        f"{manifest['parameters']:,} parameters, {bundle.precision.upper()} engines, "
        f"{bundle.size_bytes / 1e6:.2f} MB, scales {list(spec.scales)}, "
        f"{spec.codebook_size} codes of {spec.code_dim} dimensions.",
        f"- Licence of the weights: {about['licence']}\n"
        f"- Training images: {about['data']}\n"
        f"- Split: {', '.join(f'{count} {split}' for split, count in images.items())}\n"
        f"- Studio pictures: {manifest['card']['data'].get('studio_pictures', 0)}\n"
        f"- Adjectives that training used: {len(bundle.vocabulary)}\n"
        f"- Bundle: `{bundle.bundle_hash}`, from checkpoint "
        f"`{manifest['checkpoint_sha256'][:16]}`, commit `{manifest['source_commit']}`",
        "## Codec\n\nThe quantisation-aware model on splits that it was not trained on, "
        "one fixed crop an image; training was stopped by the validation split.",
        _codec_table(training.get("decoder", training["codec"])),
        "## Generator\n\nOn the validation split: cross-entropy in nats and accuracy over "
        f"{spec.codebook_size} classes.",
        _generator_table(_last_generator_stage(training), spec.coarse_scales),
        *_history(training),
        *_refiner_section(training, spec),
        *_scores_section(manifest.get("scores")),
        "## Export\n\nThe way from the model in torch to these files, link by link (PARITY.md).",
        _parity_list(manifest["parity"], manifest["integer_kernels"]),
        f"## Limits\n\n{about['limits']}",
        "The shipped bundle drew docs/samples.png, eight prompts by six seeds, and "
        "docs/prompts.jpg, 24 by eight; `make samples` draws both.",
        f"## How it was made\n\n```\n{_commands(training)}\n```\n\n" + _effort(training),
    ]
    return "\n\n".join(parts) + "\n"


def _codec_table(report: dict[str, Any]) -> str:
    splits = [split for split in SPLITS if split in report]
    titles = " | ".join(SPLITS[split] for split in splits)
    lines = [f"| figure | {titles} |", "| --- |" + " --- |" * len(splits)]
    for name, title in CODEC_FIGURES.items():
        cells = " | ".join(f"{report[split][name]:.4g}" for split in splits)
        lines.append(f"| {title} | {cells} |")
    plain = report.get("without_fake_quantisation")
    if plain is None:
        return "\n".join(lines)
    error = report["val"]["mse"]
    lines.append(
        f"\nWithout fake quantisation the error on val is {plain['mse']:.4g}: "
        f"INT8 is {error / plain['mse'] - 1:+.1%} off it."
    )
    return "\n".join(lines)


def _last_drawer(training: dict[str, dict[str, Any]]) -> dict[str, Any] | None:
    """The report of the last stage that taught transformer and refiner, if any did."""
    reports = [training[stage] for stage in DRAWERS if stage in training]
    return reports[-1] if reports else None


def _last_generator_stage(training: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """The report of the stage that left the generator as it is."""
    if drawer := _last_drawer(training):
        return drawer
    if "generator_val" in training.get("refinement", {}):
        return {"val": training["refinement"]["generator_val"]}
    stages = [s for s in ("generator", *FURTHER) if s in training]
    return training[stages[-1]]


def _commands(training: dict[str, dict[str, Any]]) -> str:
    """What makes such a bundle, from the annotated pictures on."""
    further = [stage for stage in (*FURTHER[1:], *FURTHER_DRAWING) if stage in training]
    if further:
        return f"make words train checkpoint\nmake {' '.join(further)} export follow bundle"
    return "make words train checkpoint export follow bundle"


def _history(training: dict[str, dict[str, Any]]) -> list[str]:
    """How the generator was taught after its training on pictures, a sentence a stage."""
    lines = [
        f"{when} it learnt from {report['kept']:,} of its own pictures as well, chosen by the "
        f"attribute measures: {report['shown_before']:.1%} of all that it had drawn showed each of "
        "their one to three words."
        for when, report in zip(
            ("Afterwards", "Then"),
            (training[s] for s in FURTHER[:2] if s in training),
            strict=False,
        )
    ]
    if "mean" in training:
        lines.append(
            "Its weights are then the mean of those before and after the last round of that."
        )
    if "composition" in training:
        report = training["composition"]
        lines.append(
            "Then it learnt to follow all words of a prompt as it follows each alone: what it "
            f"predicts from them is {report['after']:.2f} nats from what the words say one by one, "
            f"where it was {report['before']:.2f}."
        )
    if "preference" in training:
        report, figures = training["preference"], training["preference"]["val"]
        gained = [
            f"{figures[f'preferred_{name}']:.1%} ({name})"
            for name in ("transformer", "refiner")
            if f"preferred_{name}" in figures
        ]
        lines.append(
            f"Then transformer and refiner learnt from {report['pairs']:,} pairs of their own "
            "pictures which one shows its words better by the attribute measures. Of "
            f"{report['held_out']:,} pairs of other prompts, the better picture gained more than "
            f"the worse one in {' and '.join(gained)}."
        )
    if "reward" in training:
        report = training["reward"]
        seen = [
            f"up to {side} x {side} {figures['val']['r2']:.0%} ({figures['val']['r2_contour']:.0%} "
            f"in contour, {figures['val']['r2_direction']:.0%} in direction)"
            for side, figures in report["critics"].items()
        ]
        shown = [
            f"{value:.1%}" for name, value in report["val"].items() if name.startswith("shown_")
        ]
        lines.append(
            "Last, transformer and refiner learnt from critics that were trained on "
            f"{report['pictures']:,} pictures of the model and see from the codes what a picture "
            f"measures. Of the differences they explain, on average over the axes, with codes "
            f"{' and '.join(seen)}. By the critics, what is drawn shows {' and '.join(shown)} of "
            "the words of other prompts then."
        )
    return lines


def _generator_table(report: dict[str, Any], scales: tuple[int, ...]) -> str:
    figures = report["val"]
    lines = ["| scale | cross-entropy | accuracy |", "| --- | --- | --- |"]
    for number, side in enumerate(scales):
        loss, accuracy = (figures[f"{k}_scale_{number}"] for k in ("loss", "accuracy"))
        lines.append(f"| {side} x {side} | {loss:.3f} | {accuracy:.1%} |")
    loss = figures.get("cross_entropy", figures["loss"])
    lines.append(f"| all, weighted by side | {loss:.3f} | |")
    lines.append(f"| the same without words | {figures['loss_without_words']:.3f} | |")
    return "\n".join(lines)


def _refiner_section(training: dict[str, Any], spec: Spec) -> list[str]:
    if not spec.refiner_passes:
        return []
    figures = training.get("refinement", training["refiner"])["val"]
    if drawer := _last_drawer(training):
        of_both = drawer["val"]
        figures = {k.removeprefix("refiner_"): v for k, v in of_both.items() if "refiner_" in k}
    lines = ["| scale | pass | cross-entropy | accuracy |", "| --- | --- | --- | --- |"]
    for scale in range(len(spec.coarse_scales), len(spec.scales)):
        side = spec.scales[scale]
        for number in range(min(len(spec.refiner_runs(scale)), 2 * spec.refiner_passes)):
            key = f"scale_{scale}_pass_{number}"
            if f"loss_{key}" not in figures:  # trained before parts were drawn anew
                break
            loss, accuracy = (figures[f"{k}_{key}"] for k in ("loss", "accuracy"))
            anew = number - spec.refiner_passes
            name = f"{number + 1}" if anew < 0 else f"{number + 1}: {anew + 1} anew"
            lines.append(f"| {side} x {side} | {name} | {loss:.3f} | {accuracy:.1%} |")
    return ["The refiner:", "\n".join(lines)]


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
            f"the same indices, {figures['agreement']:.2%} of the likeliest codes agree, "
            f"{figures['seed_agreement']:.1%} of the indices of the same seed; attributes differ "
            f"by {figures['attribute_absdiff']:.3f}"
        )
    if kernels:
        convs, linears = (sum(k[kind] for k in kernels.values()) for kind in ("conv", "linear"))
        lines.append(f"- integer kernels: {convs} convolutions and {linears} linear layers, all")
    return "\n".join(lines)


def _effort(training: dict[str, dict[str, Any]]) -> str:
    reports = {name: report for name, report in training.items() if "steps" in report}
    critics = training.get("reward", {}).get("critics", {})
    reports |= {f"critic up to {side} x {side}": report for side, report in critics.items()}
    stages = ", ".join(
        f"{name} {report['steps']} steps in {report['seconds'] / 60:.0f} minutes"
        for name, report in reports.items()
    )
    return (
        f"Time of each stage, on the machine that it ran on: {stages}. The pictures that stages "
        "draw to learn from come on top, about ten minutes for 10,000 of them."
    )
