"""The server of t2a-edge as a Ray Serve deployment.

    pip install "ray[serve]" "../..[serve]"
    export RAY_USAGE_STATS_ENABLED=0                # Ray counts its use otherwise
    serve run pictures:app                          # in this folder: http://127.0.0.1:8000
    serve deploy serve.yaml                         # on a cluster that runs

Every replica has its own model, its own queue and its own batches: Ray spreads requests over them,
the server's own limits hold inside each.
"""

from typing import TYPE_CHECKING, Any

from ray import serve

if TYPE_CHECKING:
    from fastapi import FastAPI


def pictures() -> "FastAPI":
    """What one replica serves; called in it, so that the model is loaded there."""
    from t2a_edge import TextToArt
    from t2a_edge.server import Settings, create_app

    return create_app(TextToArt(threads=1), Settings(max_batch=8, deadline_s=30))


deployment: Any = serve.deployment(
    serve.ingress(pictures)(),
    name="t2a-edge",
    autoscaling_config={"min_replicas": 1, "max_replicas": 8, "target_ongoing_requests": 8},
    ray_actor_options={"num_cpus": 1},
    max_ongoing_requests=64,  # the replica's own queue answers 429 beyond its limit
    health_check_period_s=10,
    graceful_shutdown_timeout_s=40,
)
app = deployment.bind()
