"""Training: data, studio, words, models, and the stages of one recipe."""
