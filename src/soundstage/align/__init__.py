"""Find rate, offset and shared segments of a dub against the original track."""
