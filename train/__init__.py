"""Training: data, codec, text engine, transformer, quantisation-aware steps."""
