"""Soundstage: from raw films to paper tables, one target each.

Stages in the order of the data, one package each: `studio` (the embedded corpus), `films`,
`align`, `clips`, `nospeech`, `shards`, `pretrain`, `evaluate`, `paper`. `model` holds the towers
that `pretrain` and `evaluate` share.
"""
