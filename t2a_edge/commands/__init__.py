"""The commands of `t2a-edge`, by what they are for."""
