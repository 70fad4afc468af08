// ONNX Runtime 1.29 and newer sends telemetry and keeps a device id; it looks here when it is loaded.
// Import this before onnxruntime-node.
process.env.ORT_DISABLE_TELEMETRY = "1";
