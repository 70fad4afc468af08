"""The Ray Serve deployment, started and called."""

import importlib.util
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

yaml = pytest.importorskip("yaml")

FOLDER = Path(__file__).resolve().parents[2] / "examples" / "ray_serve"
STARTING_S = 180


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])


def wait_until_ready(url: str, process: "subprocess.Popen[bytes]", log: Path) -> None:
    ends = time.monotonic() + STARTING_S
    while True:
        assert process.poll() is None, log.read_text(errors="replace")[-3000:]
        assert time.monotonic() < ends, log.read_text(errors="replace")[-3000:]
        try:
            if httpx.get(url + "/readyz", timeout=10).json() == {"state": "ready"}:
                return
        except (httpx.HTTPError, ValueError):
            pass
        time.sleep(1)


def test_the_configuration_names_the_deployment():
    config = yaml.safe_load((FOLDER / "serve.yaml").read_text(encoding="utf-8"))
    (application,) = config["applications"]
    module, _, name = application["import_path"].partition(":")
    source = (FOLDER / f"{module}.py").read_text(encoding="utf-8")
    assert f"\n{name} = deployment.bind()" in source
    assert f'name="{application["deployments"][0]["name"]}"' in source


@pytest.mark.slow
def test_a_deployment_draws_the_librarys_pictures(tmp_path, engine):
    if importlib.util.find_spec("ray") is None:
        pytest.skip('ray is not installed; needs: pip install "ray[serve]"')
    config = yaml.safe_load((FOLDER / "serve.yaml").read_text(encoding="utf-8"))
    port = config["http_options"]["port"] = free_port()
    (tmp_path / "serve.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    log, url = tmp_path / "ray.log", f"http://127.0.0.1:{port}"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [Path(sys.executable).with_name("serve"), "run", str(tmp_path / "serve.yaml")],
            stdout=out, stderr=subprocess.STDOUT,
            env={**os.environ, "RAY_USAGE_STATS_ENABLED": "0", "PYTHONPATH": str(FOLDER)},
        )  # fmt: skip
    try:
        wait_until_ready(url, process, log)
        with httpx.Client(base_url=url, timeout=60) as client:
            for seed in (7, 8):
                answer = client.post("/v1/generate", json={"prompt": "warm dark", "seed": seed})
                assert answer.status_code == 200
                assert answer.content == engine.generate("warm dark", seed=seed).encode("png")
            assert client.post("/v1/generate", json={"prompt": ""}).status_code == 422
            previews = client.post("/v1/stream", json={"prompt": "warm", "seed": 1}).text
            assert previews.count("event: ") == engine.spec.steps
            assert client.get("/v1/info").json()["bundle"] == engine.bundle.bundle_hash
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(90)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
