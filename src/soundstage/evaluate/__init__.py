"""Frozen embeddings, probes and scores on benchmarks."""
