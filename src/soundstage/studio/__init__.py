"""The embedded corpus: films with dubs and clip benchmarks, made from a seed."""
