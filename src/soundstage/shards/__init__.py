"""Write clips as WebDataset tars."""
