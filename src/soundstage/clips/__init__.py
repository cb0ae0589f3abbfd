"""Choose windows where picture and tracks agree."""
