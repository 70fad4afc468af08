import subprocess
import sys
from dataclasses import replace

import pytest

from export.trt_table import check_shares, read_headers, weight_table
from t2a_edge.engine_header import EngineHeader, engine_path, write_header
from t2a_edge.errors import BundleError, ExportError

HEADER = EngineHeader(
    engine="text", backend="rtx", backend_version="1.7.1.116", targets=("SM86",),
    compatibility="none", version_compatible=False, cuda_major=12, os="linux",
    processor="x86_64", precision="int8", float_type="float16", inputs=(), outputs=(),
    profiles=({},), sources={}, options=(), graph_sha256="", engine_sha256="",
    engine_bytes=4_400_000, weight_memory_bytes=1000, bundle="", spec={},
)  # fmt: skip


def engines(precision, **weights):
    return {
        name: replace(HEADER, engine=name, precision=precision, weight_memory_bytes=size)
        for name, size in weights.items()
    }


def written(folder, headers):
    folder.mkdir()
    for name, header in headers.items():
        engine_path(folder, name).write_bytes(b"")
        write_header(engine_path(folder, name), header)
    return folder


def test_the_table_has_a_row_for_each_engine_that_both_have():
    int8 = engines("int8", text=1000, decoder=520)
    table = weight_table(int8, engines("fp16", decoder=1000, text=2000, generator=9))
    assert table.splitlines()[2:] == [
        "| text | 1,000 | 2,000 | 0.50 | 4.40 | 4.40 |",
        "| decoder | 520 | 1,000 | 0.52 | 4.40 | 4.40 |",
    ]


def test_weights_that_stayed_in_float_are_told():
    fp16 = engines("fp16", text=2000, decoder=1000)
    check_shares(engines("int8", text=1000, decoder=600), fp16)
    with pytest.raises(ExportError, match="decoder engine take 990 bytes in INT8 and 1,000 in"):
        check_shares(engines("int8", text=1000, decoder=990), fp16)


@pytest.mark.parametrize(
    ("int8", "fp16", "told"),
    [
        (engines("fp16", text=1), engines("int8", text=1), "in fp16; expected int8"),
        (engines("int8", text=1), engines("int8", text=1), "in int8; expected fp16"),
        (engines("int8", text=1), engines("fp16", decoder=1), "no engine in common"),
    ],
)
def test_folders_that_cannot_be_compared_are_told(int8, fp16, told):
    with pytest.raises(ExportError, match=told):
        weight_table(int8, fp16)


def test_headers_are_read_by_name(tmp_path):
    headers = engines("int8", text=1, decoder=2)
    assert read_headers(written(tmp_path / "rtx", headers)) == headers
    with pytest.raises(ExportError, match=r"has no \.engine files"):
        read_headers(tmp_path)
    engine_path(tmp_path, "text").write_bytes(b"")
    with pytest.raises(BundleError, match=r"no text\.engine\.json"):
        read_headers(tmp_path)


@pytest.mark.parametrize(("size", "code"), [(1000, 0), (1900, 1)])
def test_the_command_fails_where_int8_did_not_take(tmp_path, size, code):
    folders = [
        written(tmp_path / "int8", engines("int8", text=size)),
        written(tmp_path / "fp16", engines("fp16", text=2000)),
    ]
    done = subprocess.run(
        [sys.executable, "-m", "export.trt_table", *folders],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == code
    assert f"| text | {size:,} | 2,000 |" in done.stdout
    assert done.stderr.startswith("error: The weights of the text engine") or code == 0
