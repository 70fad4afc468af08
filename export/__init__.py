"""ONNX bundles from checkpoints, compared with the model before they are written."""
