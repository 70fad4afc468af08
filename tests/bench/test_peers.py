import shutil
import subprocess
import sys

import pytest
import torch

from bench.peers import NO_MINILM, compare, fused_peer, interleaved, minilm_peer, taesd_decoder
from bench.reference import Reference
from t2a_edge.errors import BundleError


def test_the_decoder_has_the_size_and_the_shapes_of_taesd():
    decoder = taesd_decoder()
    parameters = sum(p.numel() for p in decoder.parameters())
    assert parameters == 1_222_531
    with torch.no_grad():
        pixels = decoder(torch.zeros(1, 4, 4, 4))
    assert pixels.shape == (1, 3, 32, 32)  # eight times the latents' side


def test_large_latents_are_clamped():
    decoder = taesd_decoder()
    clamp = decoder.layers[0]
    assert clamp(torch.tensor([1e6, -1e6, 0.0])).tolist() == [3, -3, 0]


def test_calls_take_turns_after_a_warm_up():
    order = []
    calls = {name: lambda number, name=name: order.append((name, number)) for name in "ab"}
    reference = Reference()
    seconds = interleaved(calls, 3, reference)
    assert [len(samples) for samples in seconds.values()] == [3, 3]
    assert len(reference.seconds) == 3
    assert order[-4:] == [("a", 6), ("b", 6), ("a", 7), ("b", 7)]


def test_without_minilm_it_says_what_to_install(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    assert minilm_peer(["warm"]) == NO_MINILM


def test_without_a_fused_file_it_says_how_to_get_one(own_pair):
    assert fused_peer(own_pair / "pair-int8") == (
        "there is no pair-int8.onnx beside the bundle; `make export` writes it"
    )


def test_a_fused_file_of_another_precision_is_refused(own_pair, pair_fused):
    shutil.copy(pair_fused, own_pair / "pair-fp32.onnx")
    with pytest.raises(BundleError, match="holds a graph of precision int8; its name says fp32"):
        fused_peer(own_pair / "pair-fp32")


def test_all_peers_are_in_one_report(pair, pair_fused, monkeypatch):
    monkeypatch.setattr("bench.peers.minilm_peer", lambda _: NO_MINILM)
    monkeypatch.setattr("bench.peers.LATENT_SIDE", 8)  # how long it takes is not judged here
    report = compare(pair / "pair-int8", rounds=5)
    for name in ("pipeline", "fused"):
        measured = report["ratios"][f"{name}_to_taesd_decoder"]
        low, high = measured["intervals"]["ratio"]
        assert 0 < low <= measured["ratio"] <= high
        assert report[name]["samples"] == report["taesd_decoder"]["samples"] == 5
    assert report["ratios"]["text_to_minilm"] == {"not_measured": NO_MINILM}


@pytest.mark.parametrize("arguments", [["--rounds", "2"], ["--bundle", "nowhere"]])
def test_bad_input_is_one_line(arguments):
    done = subprocess.run(
        [sys.executable, "-m", "bench.peers", *arguments],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    assert len(done.stderr.splitlines()) == 1
