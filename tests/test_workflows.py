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
PINNED = re.compile(r"[\w.-]+/[\w./-]+@v\d+")
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
    assert [path.name for path in WORKFLOWS] == ["ci.yml"]


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
def test_every_action_is_pinned_to_a_major_version(workflow):
    for step in steps(workflow):
        if "uses" in step:
            assert PINNED.fullmatch(step["uses"]), step["uses"]


@each_workflow
def test_a_workflow_may_read_the_repository_and_nothing_else(workflow):
    assert workflow["permissions"] == {"contents": "read"}
    assert not [job for job in workflow["jobs"].values() if "permissions" in job]
    assert "secrets." not in str(workflow)
    assert "pull_request_target" not in workflow["on"]


def test_runs_of_a_branch_do_not_pile_up_and_end_some_time():
    workflow = ALL["ci.yml"]
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
