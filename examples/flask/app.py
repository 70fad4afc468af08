from flask import Flask, Response, request

from t2a_edge import T2AEdgeError, TextToArt

app = Flask(__name__)
engine = TextToArt()


@app.get("/<prompt>.png")
def picture(prompt: str) -> Response:
    art = engine.generate(prompt, seed=request.args.get("seed", "0"))
    return Response(art.encode("png"), mimetype="image/png")


app.register_error_handler(T2AEdgeError, lambda error: (str(error), 400))
