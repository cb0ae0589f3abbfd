"""Stage 7, teachers: labels of what is heard and what is seen, harvested from pretrained models."""
