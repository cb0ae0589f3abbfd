"""Stage 8, parse: which events are heard and which are seen in each second of a video.

`soundstage.parse.network(name)` gives the networks; the name is looked up when it is asked for, so
that scoring predictions does not load torch.
"""


def __getattr__(name):
    if name == "network":
        from soundstage.parse.networks import network

        return network
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
