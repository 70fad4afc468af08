import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

from export.compose import FLOAT, INT64, Composer
from export.fused import fused_graph, fused_inputs
from export.fused_noise import NoiseGraph
from export.fused_parity import compare_fused
from export.pack import METADATA, export_fused
from export.qdq import expected_kernels, optimised_operators
from t2a_edge import TextToArt
from t2a_edge.bundle import engine_file, engines, load_bundle
from t2a_edge.errors import BundleError, ExportError
from t2a_edge.noise import coherent_noise, gumbel_table
from t2a_edge.runner import OnnxRunner, session_options
from t2a_edge.sampler import Drawing, sample_scales
from t2a_edge.scales import scale_offsets


@pytest.fixture(scope="module", params=["fp32", "fp16", "int8"])
def engine(request, tiny_bundles):
    with TextToArt(tiny_bundles / f"tiny-{request.param}") as found:
        yield found


@pytest.fixture(scope="module")
def graph(engine):
    names = engines(engine.spec)
    parts = {name: onnx.load(engine.bundle.folder / engine_file(name)) for name in names}
    return fused_graph(parts, engine.spec)


@pytest.fixture(scope="module")
def session(graph):
    return onnxruntime.InferenceSession(
        graph.SerializeToString(), session_options(1), providers=["CPUExecutionProvider"]
    )


def draw(session, engine, prompts, seeds, given=None, **options):
    parsed = [engine.parse(prompt) for prompt in prompts]
    inputs = fused_inputs(parsed, seeds, engine.options(**options), engine.spec, given)
    return session.run(["pixels", "indices"], inputs)


@pytest.mark.parametrize(
    "prompt", ["warm dark", "warm:1.5 dark:0.25", "cool -striped", "-warm", "warm:0", "zzz"]
)
@pytest.mark.parametrize("seed", [0, 7, 2**53 - 1])
def test_it_draws_what_the_engines_draw(session, engine, prompt, seed):
    pixels, indices = draw(session, engine, [prompt], [seed])
    art = engine.generate(prompt, seed=seed)
    np.testing.assert_array_equal(indices[0], art.indices)
    np.testing.assert_array_equal(pixels[0], art.pixels)


@pytest.mark.parametrize(
    "options", [{"guidance_scale": 0.0}, {"guidance_scale": 1.0}, {"guidance_scale": 7.3},
                {"temperature": 0.0}, {"temperature": 0.7}],
)  # fmt: skip
def test_guidance_and_temperature_are_inputs(session, engine, options):
    _, indices = draw(session, engine, ["warm -dark"], [3], **options)
    art = engine.generate("warm -dark", seed=3, **options)
    np.testing.assert_array_equal(indices[0], art.indices)


def test_a_batch_draws_what_its_pictures_are_alone(session, engine):
    prompts = ["warm", "cool -striped", "warm dark pale", "-warm", "warm:0", "z", "b c", "dark:3"]
    seeds = [5, 5, 1, 2, 3, 4, 2**40, 9]
    pixels, indices = draw(session, engine, prompts, seeds)
    for number, (prompt, seed) in enumerate(zip(prompts, seeds, strict=True)):
        alone = engine.generate(prompt, seed=seed)
        np.testing.assert_array_equal(indices[number], alone.indices)
        np.testing.assert_array_equal(pixels[number], alone.pixels)


def drawn_by_the_sampler(engine, prompt, seed, given):
    with OnnxRunner(engine.bundle.folder, engines(engine.spec)) as runner:
        drawing = Drawing(engine.conditioning(engine.parse(prompt)), seed, engine.options(), given)
        *_, indices = sample_scales(runner, engine.spec, [drawing])
    return indices[0]


def test_a_picture_whose_codes_are_all_given_is_that_picture(session, engine):
    art = engine.generate("warm dark", seed=3)
    pixels, indices = draw(session, engine, ["cool"], [4], art.indices[None])
    np.testing.assert_array_equal(indices[0], art.indices)
    np.testing.assert_array_equal(pixels[0], art.pixels)


@pytest.mark.parametrize("kept_scales", [1, 2, 3])
def test_coarse_scales_can_be_kept_and_the_seed_draws_the_rest(session, engine, kept_scales):
    art = engine.generate("warm dark", seed=3)
    kept = scale_offsets(engine.spec.scales)[kept_scales]
    given = np.where(np.arange(engine.spec.positions) < kept, art.indices, -1)
    _, drawn = draw(session, engine, ["warm dark"] * 3, [3, 4, 5], np.tile(given, (3, 1)))
    np.testing.assert_array_equal(drawn[0], art.indices)  # the same seed draws the same rest
    for row, seed in zip(drawn[1:], (4, 5), strict=True):
        np.testing.assert_array_equal(row[:kept], art.indices[:kept])
        assert (row[kept:] != art.indices[kept:]).any()
        expected = drawn_by_the_sampler(engine, "warm dark", seed, given)
        np.testing.assert_array_equal(row, expected)
    assert (drawn[1] != drawn[2]).any()


def test_codes_kept_here_and_there_are_seen_by_the_refiner(session, engine):
    art = engine.generate("warm dark", seed=3)
    keep = np.random.default_rng(5).random(engine.spec.positions) < 0.5
    given = np.where(keep, art.indices, -1)
    _, drawn = draw(session, engine, ["cool -striped"], [11], given[None])
    np.testing.assert_array_equal(drawn[0, keep], art.indices[keep])
    expected = drawn_by_the_sampler(engine, "cool -striped", 11, given)
    np.testing.assert_array_equal(drawn[0], expected)


def test_a_picture_of_a_batch_keeps_its_own_codes_only(session, engine):
    first, second = (engine.generate("warm", seed=seed) for seed in (1, 2))
    nothing = np.full(engine.spec.positions, -1)
    _, drawn = draw(session, engine, ["cool", "warm"], [9, 2], np.stack([first.indices, nothing]))
    np.testing.assert_array_equal(drawn[0], first.indices)
    np.testing.assert_array_equal(drawn[1], second.indices)


def test_coherent_noise_is_in_the_graph_too(engine):
    spec = replace(engine.spec, scale_coherence=(0.0, 0.7, 1.3, 2.0))
    g = Composer(20)
    seed, heat = g.input("seed", INT64, ["batch"]), g.input("temperature", FLOAT, ["batch"])
    steps = NoiseGraph(g, spec, seed, heat)
    field = g.input("noise", FLOAT, ["batch", 64, spec.codebook_size])
    g.output("shared", steps._coherent(field, 8, 2.0), FLOAT, ["batch", 64, spec.codebook_size])
    session = onnxruntime.InferenceSession(g.model("coherent").SerializeToString())
    noise = np.random.default_rng(1).choice(gumbel_table(), (2, 64, spec.codebook_size))
    inputs = {"seed": np.arange(2), "temperature": np.ones(2, np.float32), "noise": noise}
    (shared,) = session.run(None, inputs)
    for found, given in zip(shared, noise, strict=True):
        np.testing.assert_array_equal(found, coherent_noise(given, 2.0))


@pytest.mark.parametrize("radius", [0.0, 1.3])
def test_noise_of_some_positions_is_a_part_of_the_scale_s(engine, radius):
    spec = replace(engine.spec, scale_coherence=(0.0, 0.0, 0.0, radius))
    last, count = len(spec.scales) - 1, spec.scales[-1] ** 2
    some = np.array([5, 0, count - 1])
    g = Composer(20)
    seed, heat = g.input("seed", INT64, ["batch"]), g.input("temperature", FLOAT, ["batch"])
    steps = NoiseGraph(g, spec, seed, heat)
    for name, here in (("all", ""), ("some", g.constant(some))):
        g.output(name, steps.of_scale(last, here), FLOAT, ["batch", None, spec.codebook_size])
    session = onnxruntime.InferenceSession(g.model("noise").SerializeToString())
    inputs = {"seed": np.array([7, 2**53 - 1]), "temperature": np.array([1, 0.5], np.float32)}
    everything, part = session.run(["all", "some"], inputs)
    assert everything.shape == (2, count, spec.codebook_size)
    np.testing.assert_array_equal(part, everything[:, some])


def test_the_table_of_gumbel_values_is_the_runtime_s(engine):
    g = Composer(20)
    seed, heat = g.input("seed", INT64, ["batch"]), g.input("temperature", FLOAT, ["batch"])
    steps = NoiseGraph(g, engine.spec, seed, heat)
    g.output("table", steps.table, FLOAT, [1, len(gumbel_table())])
    session = onnxruntime.InferenceSession(g.model("table").SerializeToString())
    inputs = {"seed": np.arange(1), "temperature": np.ones(1, np.float32)}
    np.testing.assert_array_equal(session.run(None, inputs)[0][0], gumbel_table())


def test_every_scale_runs_in_integer_kernels(tiny_bundle):
    spec = load_bundle(tiny_bundle).spec
    parts = {name: onnx.load(tiny_bundle / engine_file(name)) for name in engines(spec)}
    operators = optimised_operators(fused_graph(parts, spec).SerializeToString())
    fine = range(len(spec.coarse_scales), len(spec.scales))
    runs = [(scale, run.guided) for scale in fine for run in spec.refiner_runs(scale)]
    calls = {"text": 1, "transformer": len(spec.coarse_scales),
             "refiner": len(runs), "decoder": 1}  # fmt: skip
    counts = {name: expected_kernels(part) for name, part in parts.items()}
    assert operators["QLinearConv"] == sum(counts[n]["conv"] * calls[n] for n in calls)
    linear = sum(counts[n]["linear"] * calls[n] for n in calls)
    # what depends on the words alone is the same at every scale and in every run with the same
    # rows: done once
    again = 2 * (calls["transformer"] - 1) + (calls["refiner"] - len(set(runs)))
    assert operators["MatMulIntegerToFloat"] == linear - again


def test_weights_are_stored_once(graph, engine):
    engine_bytes = sum(
        (engine.bundle.folder / engine_file(name)).stat().st_size for name in engines(engine.spec)
    )
    assert graph.ByteSize() < 1.3 * engine_bytes + 60_000  # the steps between the engines


def test_the_file_describes_itself(engine, tmp_path):
    target = tmp_path / "generator.onnx"
    parity = export_fused(engine.bundle.folder, target)
    assert parity.agreement == 1.0
    assert parity.max_absdiff == 0
    session = onnxruntime.InferenceSession(target, session_options(1))
    about = json.loads(session.get_modelmeta().custom_metadata_map[METADATA])
    assert about["spec"] == engine.spec.to_json()
    assert about["bundle"] == engine.bundle.bundle_hash
    assert about["precision"] == engine.bundle.precision
    assert [path.name for path in tmp_path.iterdir()] == ["generator.onnx"]


def test_a_graph_that_draws_something_else_is_not_written(engine, tmp_path, monkeypatch):
    monkeypatch.setattr(
        "export.fused_noise.code_points", lambda codes: np.ones((2, codes), np.int32)
    )
    with pytest.raises(ExportError, match="does not draw what the engines draw: "):
        export_fused(engine.bundle.folder, tmp_path / "generator.onnx")
    assert not list(tmp_path.iterdir())


def test_a_missing_bundle_is_told(tmp_path):
    with pytest.raises(BundleError, match="No bundle at"):
        export_fused(tmp_path / "no", tmp_path / "generator.onnx")


def test_a_composer_stores_equal_constants_once():
    g = Composer(20)
    first, second = g.number(1.5), g.number(1.5)
    other = g.constant(np.array([1.5], dtype=np.float32))  # another shape is another constant
    assert first == second != other


def test_compare_fused_counts_every_picture_alone_and_in_a_batch(graph, engine):
    assert compare_fused(graph, engine).pictures == 16


def test_the_example_in_the_documentation_draws_what_the_library_draws(
    engine, tmp_path, monkeypatch
):
    export_fused(engine.bundle.folder, tmp_path / "dist" / "base-int8.onnx")
    page = (Path(__file__).parents[2] / "docs" / "fused.md").read_text(encoding="utf-8")
    example = page.split("```python\n")[1].split("```")[0]
    monkeypatch.chdir(tmp_path)
    names: dict = {}
    exec(example, names)  # noqa: S102
    art = engine.generate("warm dark:1.4 -busy", seed=7)
    np.testing.assert_array_equal(names["indices"][0], art.indices)
    np.testing.assert_array_equal(names["pixels"][0], art.pixels)


def test_the_cached_graph_of_the_documentation_draws_the_same(engine, tmp_path, monkeypatch):
    export_fused(engine.bundle.folder, tmp_path / "dist" / "base-int8.onnx")
    page = (Path(__file__).parents[2] / "docs" / "fused.md").read_text(encoding="utf-8")
    example = page.split("```python\n")[2].split("```")[0]
    monkeypatch.chdir(tmp_path)
    first, again = {}, {}
    exec(example, first)  # noqa: S102
    assert len(list(Path("dist").glob("base-int8-*.ort"))) == 1
    exec(example, again)  # noqa: S102
    level = again["options"].graph_optimization_level
    assert level == onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    drawn = [draw(names["session"], engine, ["warm -dark"], [5]) for names in (first, again)]
    for one, other in zip(*drawn, strict=True):
        np.testing.assert_array_equal(one, other)
    assert METADATA in again["session"].get_modelmeta().custom_metadata_map
