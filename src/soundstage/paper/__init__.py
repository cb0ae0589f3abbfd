"""Tables, figures and their statistics."""
