"""A model that is closed, copied, or used on the other side of a fork."""

import copy
import os
import pickle  # noqa: TID251 - what multiprocessing does with it
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from t2a_edge.errors import BundleError, ClosedError, OptionError, T2AEdgeError
from t2a_edge.pipeline import Request, TextToArt
from t2a_edge.runner import OnnxRunner

SHORT = {"seed": 1, "temperature": 0.5}


@pytest.fixture(scope="module")
def drawn(tiny_bundle: Path) -> Any:
    with TextToArt(tiny_bundle) as model:
        return model.generate("warm", **SHORT)


@pytest.fixture
def model(tiny_bundle: Path) -> Iterator[TextToArt]:
    with TextToArt(tiny_bundle) as loaded:
        yield loaded


USES: dict[str, Callable[[TextToArt, Any], Any]] = {
    "generate": lambda model, _: model.generate("warm"),
    "several": lambda model, _: model.generate(["warm", "cool"]),
    "none": lambda model, _: model.generate([]),
    "draw": lambda model, _: model.draw([Request("warm")]),
    "stream": lambda model, _: model.stream("warm"),
    "tile": lambda model, _: model.tile("warm"),
    "interpolate": lambda model, _: model.interpolate("warm", "cool", frames=2),
    "vary": lambda model, drawn: model.vary(drawn),
    "inpaint": lambda model, drawn: model.inpaint(drawn, np.ones((32, 32), bool)),
    "outpaint": lambda model, drawn: model.outpaint(drawn, left=8),
    "decode": lambda model, drawn: model.decode(drawn.recipe),
    "explain": lambda model, _: model.explain("warm"),
    "nearest": lambda model, _: model.nearest_words("warm"),
    "embed": lambda model, _: model.embed(["warm"]),
}


def test_nothing_is_drawn_or_read_after_close(
    drawn: Any, tiny_bundle: Path, tmp_path: Path
) -> None:
    model, path = TextToArt(tiny_bundle), drawn.save(tmp_path / "art.png")
    model.close()
    model.close()
    for use in (*USES.values(), lambda model, _: model.open(path)):
        with pytest.raises(ClosedError, match=r"closed; load it again with TextToArt\(\)"):
            use(model, drawn)
    assert model.parse("warm").text == "warm"  # no engine is needed


def test_a_stream_that_is_begun_ends_with_close(model: TextToArt) -> None:
    previews = model.stream("warm", **SHORT)
    next(previews)
    model.close()
    with pytest.raises(ClosedError, match="closed"):
        list(previews)


def test_a_runner_can_be_closed_twice_and_not_be_used(tiny_bundle: Path) -> None:
    runner = OnnxRunner(tiny_bundle, ["text"])
    runner.close()
    runner.close()
    with pytest.raises(ClosedError, match="engines were closed"):
        runner.text(np.zeros((1, 8, 32), np.uint8))


def test_closing_while_other_threads_draw_ends_their_drawing(model: TextToArt) -> None:
    ended: list[BaseException | None] = []
    begun = threading.Barrier(3)

    def draw() -> None:
        try:
            begun.wait(timeout=60)
            for seed in range(10_000):
                model.generate("warm", seed=seed)
        except BaseException as exc:
            ended.append(exc)

    threads = [threading.Thread(target=draw) for _ in range(2)]
    for thread in threads:
        thread.start()
    begun.wait(timeout=60)
    model.close()
    for thread in threads:
        thread.join(timeout=60)
    assert [type(exc) for exc in ended] == [ClosedError] * 2


@pytest.mark.parametrize("copied", [copy.copy, lambda one: pickle.loads(pickle.dumps(one))])  # noqa: S301 - its own
def test_a_copy_of_a_model_is_loaded_from_the_same_folder(
    copied: Any, drawn: Any, tiny_bundle: Path
) -> None:
    with TextToArt(tiny_bundle, threads=2, provider="cpu") as model, copied(model) as other:
        model.close()
        assert other.bundle.folder == model.bundle.folder
        assert (other.provider, other._threads) == ("cpu", 2)
        assert other.generate("warm", **SHORT) == drawn


def test_a_model_with_a_runner_of_its_own_is_not_copied(tiny_bundle: Path) -> None:
    model = TextToArt(tiny_bundle, runner=OnnxRunner(tiny_bundle))
    with model, pytest.raises(OptionError, match="a runner of its own cannot be copied"):
        copy.copy(model)


FORK = """
import multiprocessing, os, signal, sys
from t2a_edge import T2AEdgeError, TextToArt
model = TextToArt(sys.argv[3], threads=int(sys.argv[1]), provider="cpu")
first = model.generate("warm", seed=1)
child = os.fork()
if child == 0:
    signal.alarm(60)
    if sys.argv[2] == "draw":
        assert model.generate("warm", seed=1) == first
        assert model.generate("warm", seed=2) != first
    sys.exit(0)
_, status = os.waitpid(child, 0)
assert os.waitstatus_to_exitcode(status) == 0, status
if sys.argv[2] == "draw":
    with multiprocessing.get_context("fork").Pool(2) as pool:
        drawn = [pool.apply_async(model.generate, ("warm",), {"seed": n}) for n in (1, 2)]
        same, other = (result.get(60) for result in drawn)  # both: the pool's end kills who draws
        assert (same == first, other == first) == (True, False)
assert model.generate("warm", seed=1) == first
print("same")
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")
@pytest.mark.parametrize("threads", ["1", "2"])
@pytest.mark.parametrize("does", ["draw", "nothing"])
def test_a_forked_process_draws_the_same_and_ends(
    threads: str, does: str, tiny_bundle: Path
) -> None:
    ended = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", FORK, threads, does, tiny_bundle],
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert (ended.stdout, ended.stderr, ended.returncode) == ("same\n", "", 0)


def test_engines_that_were_replaced_are_not_loaded_after_a_fork(
    tiny_bundle: Path, tmp_path: Path
) -> None:
    path = tmp_path / "text.onnx"
    path.write_bytes((tiny_bundle / "text.onnx").read_bytes())
    text = np.zeros((1, 8, 32), np.uint8)
    with OnnxRunner(tmp_path, ["text"]) as runner:
        before = runner.text(text)
        runner.forked()  # as in a new process
        np.testing.assert_array_equal(runner.text(text), before)
        runner.forked()
        path.write_bytes((tiny_bundle / "text.onnx").read_bytes())
        with pytest.raises(BundleError, match="has changed since it was loaded"):
            runner.text(text)


def test_engines_on_a_gpu_are_left_behind_by_a_fork(tiny_bundle: Path) -> None:
    with OnnxRunner(tiny_bundle, ["text"]) as runner:
        runner._provider = "cuda"
        runner.forked()
        with pytest.raises(ClosedError, match="load the model after the fork"):
            runner.text(np.zeros((1, 8, 32), np.uint8))


def test_progress_of_many_prompts_counts_steps_of_all(
    model: TextToArt, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("t2a_edge.pipeline.AT_ONCE", 1)
    told: list[int] = []
    model.generate(["warm"] * 3, seed=1, on_step=told.append)
    assert told == [1, 2, 3, 4]
    told.clear()
    model.generate("warm", seed=1, on_step=told.append)
    assert told == [1, 2, 3, 4]


NUMPY = {
    "seed": np.array([1, 2], np.uint16), "amount": np.float32(0.25), "blend": "cool",
    "guidance_scale": np.int8(3), "temperature": np.float16(1), "steps": np.uint32(3),
    "form_strength": np.float32(0.5),
    "size": np.array([32, 36]),
}  # fmt: skip
PLAIN = {**NUMPY, "seed": [1, 2], "amount": 0.25, "guidance_scale": 3.0, "temperature": 1.0,
         "steps": 3, "form_strength": 0.5, "size": (32, 36)}  # fmt: skip


def test_numbers_of_numpy_are_numbers(model: TextToArt, tmp_path: Path) -> None:
    drawn = model.generate(np.array(["warm", "dark"]), **NUMPY)  # type: ignore[call-overload]
    assert drawn == model.generate(["warm", "dark"], **PLAIN)  # type: ignore[call-overload]
    for artwork in drawn:
        assert model.open(artwork.save(tmp_path / "art.png")) == artwork
    wider = model.outpaint(drawn[0], left=np.int64(8), seed=np.int64(3))
    assert wider == model.outpaint(drawn[0], left=8, seed=3)
    varied = model.vary(drawn[0], strength=np.float32(0.75), seed=np.uint8(3))
    assert varied == model.vary(drawn[0], strength=0.75, seed=3)
    frames = model.interpolate("warm", "cool", frames=np.int16(2), seed=np.int64(3))
    assert frames == model.interpolate("warm", "cool", frames=2, seed=3)


def test_more_words_than_there_are_is_all_of_them(model: TextToArt) -> None:
    assert len(model.nearest_words("warm", np.int64(1000))) == len(model.bundle.vocabulary)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (
            lambda model: TextToArt(model.bundle.folder, threads=2.5),
            "The number of threads is 2.5; expected a whole",
        ),
        (lambda model: model.generate("warm", seed=1.5), "The seed is 1.5"),
        (lambda model: model.generate("warm", seed={1}), r"The seed is \{1\}"),
        (lambda model: model.generate(["a", "b"], seed=np.arange(3)), "3 seeds and 2 prompts"),
        (lambda model: model.generate("warm", size=()), r"The size is \(\); expected width"),
        (lambda model: model.tile("warm", size=np.array([])), "The size is array"),
        (lambda model: model.tile("warm", size=0), "The width of the size is 0"),
        (lambda model: model.generate("warm", size=np.zeros((2, 2))), "The width of the size"),
        (lambda model: model.generate("warm", amount="1"), "The amount is '1'"),
        (lambda model: model.interpolate("a", "b", frames=2.0), "number of frames is 2.0"),
        (lambda model: model.nearest_words("warm", 2.5), "The count is 2.5"),
        (lambda model: model.vary(5), "The artwork is 5"),
        (lambda model: model.open(5), "The picture is 5; expected a path"),
        (lambda model: TextToArt(5), "The bundle is 5; expected a path"),
        (lambda model: TextToArt("w" * 5000), "The bundle has 5000 letters; expected a path"),
        (lambda model: model.open("w" * 5000), "The picture has 5000 letters; expected a path"),
        (
            lambda model: TextToArt(model.bundle.folder, provider=np.zeros(0)),
            r"The provider is array\(\[\], dtype",
        ),
    ],
)
def test_the_argument_is_blamed(model: TextToArt, call: Any, told: str) -> None:
    with pytest.raises(T2AEdgeError, match=told):
        call(model)
