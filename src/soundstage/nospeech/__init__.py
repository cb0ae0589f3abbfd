"""Remove speech from an audio track."""
