"""What the workflows call exists; what they may do is little."""

import re
import shlex
from pathlib import Path

import click
import pytest

yaml = pytest.importorskip("yaml", reason="needs pyyaml")

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / ".github" / "workflows"
WORKFLOWS = sorted(FOLDER.glob("*.yml"))
GATING = ROOT / "docs" / "ci-gating.md"
PINNED = re.compile(r"[\w.-]+/[\w./-]+@(v\d+|[0-9a-f]{40})")
PINNED_TO_COMMIT = re.compile(r"uses: [\w.-]+/[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+")
MAY_WRITE = {
    "attest": {"id-token": "write", "attestations": "write"},
    "publish": {"id-token": "write"},
    "release": {"contents": "write"},
}  # jobs of release.yml, and what each is permitted
COMMANDS = {"bench": "bench.__main__:bench"}  # modules whose options the workflows name


def load(text):
    """A workflow; YAML 1.1 reads the key `on` as true."""
    values = yaml.safe_load(text)
    values["on"] = values.pop(True, values.get("on"))
    return values


def workflows():
    """Every workflow of the project, and the ones that its documentation shows."""
    found = {path.name: load(path.read_text(encoding="utf-8")) for path in WORKFLOWS}
    shown = GATING.read_text(encoding="utf-8").split("```yaml\n")[1:]
    for number, part in enumerate(shown):
        found[f"ci-gating.md, {number + 1}"] = load(part.split("```")[0])
    return found


ALL = workflows()
each_workflow = pytest.mark.parametrize("workflow", ALL.values(), ids=ALL.keys())


def steps(workflow):
    return [step for job in workflow["jobs"].values() for step in job["steps"]]


def command_lines(workflow):
    """Words of every command, a line each; lines that end in a backslash go on."""
    lines = []
    for step in steps(workflow):
        text = step.get("run", "").replace("\\\n", " ")
        lines += [shlex.split(line) for line in text.splitlines() if line.strip()]
    return lines


def make_targets():
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    return set(re.findall(r"^([a-z][a-z-]*):(?!=)", text, flags=re.MULTILINE))


def called_targets(workflow):
    for words in command_lines(workflow):
        if words[0] == "make":
            yield from (word for word in words[1:] if "=" not in word and word[0] != "-")


def called_modules(workflow):
    """Module and options of every `python -m`."""
    for words in command_lines(workflow):
        if "-m" in words and Path(words[0]).name.startswith("python"):
            module, *rest = words[words.index("-m") + 1 :]
            yield module, [word.split("=")[0] for word in rest if word.startswith("--")]


def test_there_is_a_workflow():
    assert [path.name for path in WORKFLOWS] == ["ci.yml", "release.yml"]


@each_workflow
def test_every_target_is_in_the_makefile(workflow):
    missing = set(called_targets(workflow)) - make_targets()
    assert not missing


def test_the_project_s_workflow_tests_exports_and_benches():
    targets = set(called_targets(ALL["ci.yml"]))
    assert {"test", "export"} <= targets
    assert [module for module, _ in called_modules(ALL["ci.yml"]) if module == "bench"]


@each_workflow
def test_every_option_is_one_of_the_command(workflow):
    for module, options in called_modules(workflow):
        if module not in COMMANDS:
            continue
        file, name = COMMANDS[module].split(":")
        command = getattr(__import__(file, fromlist=[name]), name)
        known = {
            text for option in command.params if isinstance(option, click.Option)
            for text in option.opts
        }  # fmt: skip
        assert set(options) <= known, f"python -m {module} {' '.join(options)}"


@each_workflow
def test_every_action_is_pinned_to_a_major_version_or_a_commit(workflow):
    for step in steps(workflow):
        if "uses" in step:
            assert PINNED.fullmatch(step["uses"]), step["uses"]


@each_workflow
def test_a_workflow_may_read_the_repository_and_nothing_else(workflow):
    assert workflow["permissions"] == {"contents": "read"}
    if workflow is not ALL["release.yml"]:
        assert not [job for job in workflow["jobs"].values() if "permissions" in job]
    assert "secrets." not in str(workflow)
    assert "pull_request_target" not in workflow["on"]


def test_what_publishes_runs_no_code_of_the_repository():
    """It takes files that a job without rights has made, and hands them on."""
    workflow = ALL["release.yml"]
    jobs = workflow["jobs"]
    assert list(workflow["on"]) == ["push"]
    assert list(workflow["on"]["push"]) == ["tags"]
    assert {n: job["permissions"] for n, job in jobs.items() if "permissions" in job} == MAY_WRITE
    for name in MAY_WRITE:
        used = [step["uses"].split("@")[0] for step in jobs[name]["steps"] if "uses" in step]
        assert "actions/checkout" not in used
        commands = command_lines({"jobs": {name: jobs[name]}})
        assert all(words[:3] == ["gh", "release", "create"] for words in commands)
        assert "github.event" not in str(jobs[name])
    text = (FOLDER / "release.yml").read_text(encoding="utf-8")
    uses = [line.split("- ", 1)[1] for line in text.splitlines() if "uses: " in line]
    assert len(uses) >= 9
    assert [line for line in uses if not PINNED_TO_COMMIT.fullmatch(line)] == []


def test_nothing_is_published_that_was_not_tried_and_attested():
    """One artefact goes from job to job: tests, then attestations, the index, the release."""
    jobs = ALL["release.yml"]["jobs"]
    assert [jobs[n].get("needs") for n in ("build", *MAY_WRITE)] == [
        None, "build", "attest", "publish",
    ]  # fmt: skip
    tried = [" ".join(words) for words in command_lines({"jobs": {"build": jobs["build"]}})]
    order = [
        next(i for i, line in enumerate(tried) if part in line)
        for part in ("make test", "make release", "GITHUB_REF_NAME", "tests/test_wheel.py")
    ]
    assert order == sorted(order)
    (publish,) = [s for s in jobs["publish"]["steps"] if "pypi-publish" in s["uses"]]
    assert publish["with"] == {"packages-dir": "release/packages", "attestations": True}
    assert jobs["publish"]["environment"] == "pypi"
    (attest,) = [s for s in jobs["attest"]["steps"] if "attest-build" in s["uses"]]
    assert attest["with"]["subject-path"].split() == ["release/packages/*", "release/assets/*"]
    made = (ROOT / "Makefile").read_text(encoding="utf-8").split("\nrelease:")[1].split("\n\n")[0]
    for part in ("-m build", "export_fused", ".onnx", "page", "NOTES.md", "SHA256SUMS"):
        assert part in made
    assert "dist/base" not in made  # which the job does not have: no step exports


@pytest.mark.parametrize("name", [path.name for path in WORKFLOWS])
def test_runs_of_a_branch_do_not_pile_up_and_end_some_time(name):
    workflow = ALL[name]
    assert "github.ref" in workflow["concurrency"]["group"]
    assert all(job["timeout-minutes"] <= 120 for job in workflow["jobs"].values())


def test_a_runner_of_one_s_own_is_used_on_manual_dispatch_alone():
    """A pull request from anywhere must not run on it."""
    own = [j for j in ALL["ci.yml"]["jobs"].values() if "self-hosted" in j["runs-on"]]
    assert own
    assert all(job["if"] == "${{ github.event_name == 'workflow_dispatch' }}" for job in own)
    options = [o for j in own for _, o in called_modules({"jobs": {"own": j}})]
    assert any("--require" in found for found in options)


def test_what_the_bench_writes_is_uploaded_whatever_came_of_it():
    for job in ALL["ci.yml"]["jobs"].values():
        text = str(job["steps"])
        (upload,) = [s for s in job["steps"] if s.get("uses", "").startswith("actions/upload-")]
        assert upload["if"] == "${{ always() }}"
        for name in upload["with"]["path"].split():
            assert text.count(name) >= 2, f"{name} is uploaded, but nothing writes it"
