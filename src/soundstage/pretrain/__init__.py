"""Contrastive training of the towers."""
