"""Audio and video towers and the inputs they read."""
