"""Weights of the learned detectors, one compressed file each. `bench/guards/train_*.py` make them."""
