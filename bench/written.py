"""The report for other programs' eyes: Markdown for a pull request, JUnit XML for a CI."""

from collections.abc import Mapping, Sequence
from typing import Any
from xml.etree import ElementTree

from bench.gates import Judgement, Outcome
from bench.report import (
    ARTEFACT_COLUMNS,
    CELL_COLUMNS,
    EXTRA_COLUMNS,
    GATE_COLUMNS,
    Rows,
    artefact_rows,
    cell_rows,
    extra_rows,
    gate_rows,
    included_lines,
    not_measured_notes,
    stage_rows,
    summary_lines,
)

MARKS = {Outcome.PASS: "✅", Outcome.FAIL: "❌", Outcome.NOT_MEASURED: "⚪"}


def markdown_table(columns: Sequence[str], rows: Rows) -> str:
    """A table of GitHub's Markdown; bars within cells are escaped."""
    lines = [list(columns), ["---"] * len(columns), *[list(row) for row in rows]]
    escaped = [[cell.replace("|", "\\|").replace("\n", " ") for cell in line] for line in lines]
    return "\n".join(f"| {' | '.join(line)} |" for line in escaped)


def markdown_report(report: Mapping[str, Any], judgements: Sequence[Judgement]) -> str:
    """Gates first, figures below, conditions folded away."""
    counts = {outcome: sum(j.outcome is outcome for j in judgements) for outcome in Outcome}
    gates = [
        (*row[:4], f"{MARKS[judgement.outcome]} {row[4]}", *row[5:])
        for row, judgement in zip(gate_rows(judgements), judgements, strict=True)
    ]
    machine = report["machine"]
    parts = [
        "## Bench",
        f"{counts[Outcome.PASS]} gates pass, {counts[Outcome.FAIL]} fail, "
        f"{counts[Outcome.NOT_MEASURED]} not measured, on {machine['processor']} "
        f"({machine['cores_allowed']} cores, GPU: {machine['gpu']}).",
        markdown_table(GATE_COLUMNS, gates),
        f"### Artefacts\n\nTimes are p50; in brackets the {report['confidence']:.1%} interval.",
        markdown_table(ARTEFACT_COLUMNS, artefact_rows(report)),
        "### Pipeline",
        markdown_table(CELL_COLUMNS, cell_rows(report)),
        "### Stages of bundles on the processor",
        markdown_table(*stage_rows(report)),
    ]
    extra = extra_rows(report)
    if extra:
        parts += ["### Energy and GPU", markdown_table(EXTRA_COLUMNS, extra)]
    lines = [*summary_lines(report), *included_lines(report)]
    lines += [f"Not measured: {note}." for note in not_measured_notes(report)]
    lines += [f"Machine: {', '.join(f'{k} {v}' for k, v in machine.items())}."]
    listed = "\n".join(f"- {line}" for line in lines)
    parts.append(
        f"<details><summary>What is included, and on what machine</summary>\n\n{listed}\n\n"
        "</details>"
    )
    return "\n\n".join(parts) + "\n"


def junit_report(judgements: Sequence[Judgement], created: str) -> str:
    """JUnit XML: a test case for every gate; what was not measured is skipped."""
    failed = sum(j.outcome is Outcome.FAIL for j in judgements)
    skipped = sum(j.outcome is Outcome.NOT_MEASURED for j in judgements)
    suite = ElementTree.Element(
        "testsuite", name="bench", tests=str(len(judgements)), failures=str(failed), errors="0",
        skipped=str(skipped), timestamp=created,
    )  # fmt: skip
    for judgement in judgements:
        gate = judgement.gate
        name = f"{gate.figure} {gate.limit}"
        case = ElementTree.SubElement(suite, "testcase", classname="bench.gates", name=name)
        if judgement.outcome is Outcome.FAIL:
            message = f"{gate.figure} is {judgement.value:g}, limit {gate.limit}"
            failure = ElementTree.SubElement(case, "failure", message=message, type="gate")
            failure.text = gate.why
        elif judgement.outcome is Outcome.NOT_MEASURED:
            ElementTree.SubElement(case, "skipped", message=judgement.note)
    suites = ElementTree.Element("testsuites")
    suites.append(suite)
    ElementTree.indent(suites)
    text: str = ElementTree.tostring(suites, encoding="unicode", xml_declaration=True)
    return text + "\n"
