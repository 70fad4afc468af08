import json
import subprocess
import sys
from pathlib import Path

import t2a_edge

BANNED = ["torch", "onnx", "onnxscript", "safetensors", "tensorrt", "skimage", "train", "export"]

PROGRAM = """
import json, sys
from t2a_edge import TextToArt
with TextToArt(sys.argv[1]) as engine:
    artwork = engine.generate("warm zesty", seed=7)
    engine.nearest_words("zesty")
    artwork.save(sys.argv[2])
print(json.dumps(sorted(sys.modules)))
"""


def modules_after(program: str, *arguments: Path) -> set[str]:
    finished = subprocess.run(
        [sys.executable, "-c", program, *map(str, arguments)],
        cwd=Path(t2a_edge.__file__).parents[1],
        capture_output=True,
        check=True,
        text=True,
    )
    return set(json.loads(finished.stdout))


def test_a_generation_loads_no_training_or_export_library(tiny_bundle, tmp_path):
    modules = modules_after(PROGRAM, tiny_bundle, tmp_path / "art.png")
    assert (tmp_path / "art.png").is_file()
    assert {"onnxruntime", "numpy", "PIL"} <= modules  # the generation did happen in there
    assert modules.isdisjoint(BANNED)


def test_the_command_line_is_ready_before_any_heavy_library_is_loaded():
    modules = modules_after("import json, sys, t2a_edge.cli; print(json.dumps(list(sys.modules)))")
    assert "t2a_edge.cli" in modules
    assert modules.isdisjoint([*BANNED, "onnxruntime", "PIL"])


def test_what_is_loaded_late_is_listed_and_not_loaded_by_that():
    modules = modules_after(
        "import json, sys, t2a_edge\n"
        "assert set(t2a_edge.__all__) <= set(dir(t2a_edge)), dir(t2a_edge)\n"
        "print(json.dumps(list(sys.modules)))"
    )
    assert modules.isdisjoint([*BANNED, "numpy", "onnxruntime", "PIL"])
    assert {getattr(t2a_edge, name) for name in t2a_edge.__all__}
