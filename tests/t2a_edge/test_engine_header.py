import hashlib
import json
import subprocess
import sys
from dataclasses import replace

import pytest

from t2a_edge.bundle import Bundle
from t2a_edge.engine_header import (
    EngineHeader,
    Machine,
    ShapeRange,
    TensorInfo,
    check_engine,
    check_machine,
    engine_path,
    header_path,
    read_header,
    rebuild_command,
    write_header,
)
from t2a_edge.errors import BundleError
from t2a_edge.spec import Spec

SPEC = Spec(
    image_size=32, scales=(1, 2, 4, 8), codebook_size=32, code_dim=8, max_words=8, max_bytes=32,
    depth=4, forms=6,
)  # fmt: skip
CONTENT = b"an engine"
SOURCE = "a" * 64
HERE = Machine("1.7.1.116", 12, "linux", "x86_64", "SM86")


def header(**values):
    usual = EngineHeader(
        engine="decoder",
        backend="rtx",
        backend_version="1.7.1.116",
        targets=("SM80", "SM86"),
        compatibility="none",
        version_compatible=False,
        cuda_major=12,
        os="linux",
        processor="x86_64",
        precision="int8",
        float_type="float16",
        inputs=(TensorInfo("indices", "int64", (-1, 85)),),
        outputs=(TensorInfo("pixels", "uint8", (-1, 32, 32, 3)),),
        profiles=({"indices": ShapeRange((1, 85), (1, 85), (4, 85))},),
        sources={"decoder.onnx": SOURCE},
        options=("--backend", "rtx", "--target", "SM80", "--target", "SM86"),
        graph_sha256="b" * 64,
        engine_sha256=hashlib.sha256(CONTENT).hexdigest(),
        engine_bytes=len(CONTENT),
        weight_memory_bytes=5,
        bundle="0123456789abcdef",
        spec=SPEC.to_json(),
    )
    return replace(usual, **values)


@pytest.fixture
def bundle(tmp_path):
    manifest = {"files": {"decoder.onnx": {"sha256": SOURCE}}}
    return Bundle(tmp_path / "base-int8", SPEC, (), "int8", "0123456789abcdef", manifest)


@pytest.fixture
def engine(tmp_path):
    path = engine_path(tmp_path / "rtx", "decoder")
    path.parent.mkdir()
    path.write_bytes(CONTENT)
    write_header(path, header())
    return path


def test_it_is_read_as_it_was_written(engine):
    assert header_path(engine).name == "decoder.engine.json"
    assert read_header(engine) == header()
    written = json.loads(header_path(engine).read_text())
    for name in ("backend", "backend_version", "targets", "cuda_major", "os", "precision",
                 "inputs", "outputs", "profiles", "sources", "engine_sha256", "bundle", "spec",
                 "weight_memory_bytes"):  # fmt: skip
        assert name in written


def test_an_engine_that_fits_is_let_through(engine, bundle):
    check_engine(read_header(engine), engine, bundle)
    check_machine(read_header(engine), HERE, engine, bundle)


@pytest.mark.parametrize("gone", ["decoder.engine", "decoder.engine.json"])
def test_a_missing_file_is_told(engine, gone):
    (engine.parent / gone).unlink()
    with pytest.raises(BundleError, match=rf"no {gone} in .*export.trt_build"):
        read_header(engine)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"format": 1}',
        '{"format": 1, "engine": "decoder"}',
        "[" * 100_000,
        '{"format": 1, "format": 1}',
        '{"format": NaN}',
        " " * 5_000_000,
    ],
    ids=lambda text: text[:20],
)
def test_a_header_that_is_none_is_told(engine, text):
    header_path(engine).write_text(text)
    with pytest.raises(BundleError, match="cannot be read as an engine's header"):
        read_header(engine)


@pytest.mark.parametrize(
    ("name", "value"),
    [("backend", "cpu"), ("compatibility", "all"), ("profiles", []), ("inputs", [{"name": "x"}]),
     ("profiles", [{"indices": {"least": [1]}}]), ("targets", None), ("targets", [7]),
     ("engine_bytes", 1e308), ("engine_bytes", "9"), ("engine_bytes", -1), ("engine", None),
     ("sources", ["x"]), ("sources", {"x": 7}), ("spec", 7), ("version_compatible", "no"),
     ("inputs", [{"name": "x", "dtype": "int64", "shape": [1e308]}]),
     ("inputs", [{"name": "x", "dtype": "int64", "shape": ["1"]}]),
     ("profiles", [{"indices": {"least": [1], "usual": [1], "most": [1, 1]}}]),
     ("backend_version", "w" * 10_000), ("backend", "w" * 10_000), ("targets", ["SM86"] * 1000),
     ("options", ["--fused"] * 1000), ("inputs", [{"name": "x" * 10_000}])],
)  # fmt: skip
def test_a_header_with_an_entry_that_cannot_be_is_told(engine, name, value):
    values = header().to_json() | {name: value}
    header_path(engine).write_text(json.dumps(values))
    with pytest.raises(BundleError, match="cannot be read as an engine's header") as told:
        read_header(engine)
    assert len(str(told.value)) < 500


def test_another_format_is_told(engine):
    header_path(engine).write_text(json.dumps(header().to_json() | {"format": 9}))
    with pytest.raises(BundleError, match="header format 9; this version of t2a-edge reads 1"):
        read_header(engine)


def test_a_damaged_engine_names_both_hashes_and_the_command(engine, bundle):
    engine.write_bytes(CONTENT.upper())
    found = hashlib.sha256(CONTENT.upper()).hexdigest()[:12]
    told = header().engine_sha256[:12]
    with pytest.raises(BundleError, match="damaged") as caught:
        check_engine(header(), engine, bundle)
    for part in (found, told, "--target SM80 --target SM86", str(bundle.folder)):
        assert part in str(caught.value)


def test_an_engine_that_is_larger_than_its_header_says_is_not_read(engine, bundle):
    with engine.open("r+b") as file:
        file.truncate(2**40)  # takes no room on the disk, and minutes to read
    with pytest.raises(BundleError, match=r"cannot be used \(it has 1099511627776 bytes; expected"):
        check_engine(header(), engine, bundle)


def test_a_stale_engine_names_both_files_and_the_command(engine, bundle):
    bundle.manifest["files"]["decoder.onnx"]["sha256"] = "c" * 64
    with pytest.raises(BundleError, match=r"stale.*a{12}….*has c{12}….*export.trt_build"):
        check_engine(header(), engine, bundle)


def test_an_engine_of_another_spec_is_stale(engine, bundle):
    other = replace(bundle, spec=replace(SPEC, temperature=0.25))
    with pytest.raises(BundleError, match="stale: it was built for another spec"):
        check_engine(header(), engine, other)


@pytest.mark.parametrize(
    ("machine", "wanted", "found"),
    [
        (replace(HERE, backend_version="1.7.2.1"), "tensorrt_rtx 1.7.1.116", "1.7.2.1"),
        (replace(HERE, os="windows"), "operating system linux", "windows"),
        (replace(HERE, processor="aarch64"), "processor x86_64", "aarch64"),
        (replace(HERE, cuda_major=13), "CUDA major version 12", "13"),
        (replace(HERE, compute_capability="SM90"), "capability SM80, SM86", "SM90"),
    ],
)
def test_a_foreign_engine_names_both_sides_and_the_command(engine, bundle, machine, wanted, found):
    with pytest.raises(BundleError, match="foreign") as caught:
        check_machine(header(), machine, engine, bundle)
    message = str(caught.value)
    assert wanted in message
    assert f"here it is {found}" in message
    assert "python -m export.trt_build" in message


def test_the_command_for_another_gpu_has_it_among_the_targets(engine, bundle):
    machine = replace(HERE, compute_capability="SM89")
    with pytest.raises(BundleError, match=r"--target SM80 --target SM86 --target SM89$"):
        check_machine(header(), machine, engine, bundle)


@pytest.mark.parametrize(
    ("compatibility", "built", "here", "fits"),
    [
        ("none", "SM86", "SM86", True),
        ("none", "SM86", "SM89", False),
        ("same-compute-capability", "SM86", "SM89", False),
        ("ampere-plus", "SM86", "SM120", True),
        ("ampere-plus", "SM86", "SM75", False),
    ],
)
def test_hardware_compatibility_of_full_tensorrt(engine, bundle, compatibility, built, here, fits):
    full = header(backend="tensorrt", targets=(built,), compatibility=compatibility)
    machine = replace(HERE, compute_capability=here)
    if fits:
        check_machine(full, machine, engine, bundle)
    else:
        with pytest.raises(BundleError, match="foreign"):
            check_machine(full, machine, engine, bundle)


@pytest.mark.parametrize(
    ("compatible", "here", "fits"),
    [
        (False, "10.3.0", True),
        (False, "10.3.1", False),
        (True, "10.12.0", True),
        (True, "10.2.9", False),
        (True, "11.0.0", False),
    ],
)
def test_version_compatibility_of_full_tensorrt(engine, bundle, compatible, here, fits):
    full = header(backend="tensorrt", backend_version="10.3.0", version_compatible=compatible)
    machine = replace(HERE, backend_version=here)
    if fits:
        check_machine(full, machine, engine, bundle)
    else:
        with pytest.raises(BundleError, match=r"version of tensorrt 10\.3\.0; here it is"):
            check_machine(full, machine, engine, bundle)


def test_a_range_holds_what_is_between_its_ends():
    built = ShapeRange((1, 85), (1, 85), (4, 85))
    assert str(built) == "(1-4, 85)"
    assert [built.holds(shape) for shape in [(1, 85), (4, 85)]] == [True, True]
    assert not any(built.holds(shape) for shape in [(0, 85), (5, 85), (1, 84), (1,), (1, 85, 1)])


def test_paths_with_blanks_are_quoted_in_the_command(tmp_path):
    command = rebuild_command(header(), tmp_path / "my bundle", tmp_path / "out")
    assert f"--bundle '{tmp_path}/my bundle'" in command


def test_headers_are_read_without_anything_that_runs_engines():
    code = (
        "import sys, t2a_edge.engine_header; "
        "sys.exit(any(n.split('.')[0] in ('tensorrt', 'tensorrt_rtx', 'onnxruntime', 'cuda') "
        "for n in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
