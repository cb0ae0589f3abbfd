"""Probe films and extract every audio track once, on picture time."""
