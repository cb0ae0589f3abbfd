"""The shape of a metrics.json, which tables are built from alone: a JSON schema. Plain data."""

GROUPS = ("auditory", "music", "paralinguistic", "linguistic", "audiovisual")  # of table 1

_NAMED = {
    "type": "array",
    "items": {
        "type": "object",
        "additionalProperties": False,
        "required": ["clip", "reason"],
        "properties": {"clip": {"type": "string"}, "reason": {"type": "string"}},
    },
}

METRICS = {
    "type": "array",
    "minItems": 1,
    "items": {
        "type": "object",
        "additionalProperties": False,
        "required": [
            "benchmark",
            "group",
            "metric",
            "features",
            "probe",
            "primary",
            "value",
            "per_fold",
            "n",
            "chance",
            "run",
            "seed",
            "inputs",
        ],
        "properties": {
            "benchmark": {"type": "string", "description": "name of the benchmark"},
            "group": {
                "enum": list(GROUPS),
                "description": "group of table 1",
            },
            "metric": {
                "enum": [
                    "accuracy_percent",
                    "map_percent",
                    "auc_percent",
                    "chroma_accuracy_percent",
                    "mean_squared_error",
                ],
                "description": "what value, per_fold and chance are; percent but for the error",
            },
            "features": {
                "enum": ["audio", "video", "both"],
                "description": "which tower's embedding the probe read",
            },
            "probe": {"type": "string", "description": "the protocol (soundstage.evaluate.protocols)"},
            "source": {"type": "string", "description": "which of several public lists of the benchmark it is"},
            "speakers": {
                "enum": ["unknown", "apart", "shared"],
                "description": "whether somebody in the test clips is heard in training, too",
            },
            "primary": {"type": "boolean", "description": "whether tables use this entry"},
            "value": {"type": "number", "description": "mean of per_fold"},
            "per_fold": {"type": "array", "minItems": 1, "items": {"type": "number"}},
            "n": {"type": "integer", "minimum": 1, "description": "test clips, all folds"},
            "chance": {"type": "number", "description": "the metric without looking at the clips"},
            "majority": {
                "type": "number",
                "description": "the metric of the constant that suits the training clips best",
            },
            "run": {"type": "string", "description": "name of the pretraining run"},
            "seed": {"type": "integer", "description": "seed of the pretraining run"},
            "inputs": {
                "type": "object",
                "description": "path -> SHA-256 of the weights and of the decoded benchmark",
                "additionalProperties": {"type": "string", "pattern": "^[0-9a-f]{64}$"},
            },
            "strengths": {
                "type": "array",
                "description": "the probe's strength in each fold",
                "items": {"type": "number"},
            },
            "dropped": {**_NAMED, "description": "clips left out, and why"},
            "flagged": {**_NAMED, "description": "clips kept although something is odd"},
        },
    },
}
