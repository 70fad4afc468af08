"""The text engine: its lexicon, its task and its stage."""
