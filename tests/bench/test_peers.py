import subprocess
import sys

import pytest
import torch

from bench.peers import NO_MINILM, interleaved, minilm_peer, taesd_decoder
from bench.reference import Reference


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


@pytest.mark.parametrize("arguments", [["--rounds", "2"], ["--bundle", "nowhere"]])
def test_bad_input_is_one_line(arguments):
    done = subprocess.run(
        [sys.executable, "-m", "bench.peers", *arguments],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    assert len(done.stderr.splitlines()) == 1
