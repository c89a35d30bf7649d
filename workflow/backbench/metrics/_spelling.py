"""What metrics are called in papers and other libraries, and what they are called here. Standard library only."""

import re

# In lower case, without spaces, hyphens and underscores.
NAMES = {
    "acc": "accuracy",
    "top1": "accuracy",
    "acc@1": "accuracy",
    "top5": "top_5_accuracy",
    "top5acc": "top_5_accuracy",
    "acc5": "top_5_accuracy",
    "acc@5": "top_5_accuracy",
    "top@5": "top_5_accuracy",
    "valacc": "val_accuracy",
    "f1": "macro_f1",
    "f1macro": "macro_f1",
    "meanperclassrecall": "balanced_accuracy",
    "nll": "log_loss",
    "crossentropy": "log_loss",
    "logloss": "log_loss",
    "brierscore": "brier",
    "brierloss": "brier",
    "calibrationerror": "ece",
    "expectedcalibrationerror": "ece",
    "map": "map_full",
    "meanaverageprecision": "map_full",
    "averageprecision": "map_full",
    "rprecision": "r_precision",
    "rprec": "r_precision",
    "precision@r": "r_precision",
    "p@r": "r_precision",
    "clusteringaccuracy": "cluster_accuracy",
    "clusteracc": "cluster_accuracy",
}
FAMILIES = {
    "p": "precision_at_",
    "prec": "precision_at_",
    "precision": "precision_at_",
    "r": "recall_at_",
    "recall": "recall_at_",
    "hit": "hit_rate_at_",
    "hits": "hit_rate_at_",
    "hitrate": "hit_rate_at_",
    "map": "map_at_",
    "ap": "map_at_",
}
_AT = re.compile(r"([a-z]+?)(?:@|at)?([1-9]\d*|k)")


def meant(name: str) -> str | None:
    """The name here of what people call so: ``recall_at_10`` for ``R@10``; None where it is not known."""
    plain = re.sub(r"[\s_-]", "", name.lower())
    if plain in NAMES:
        return NAMES[plain]
    match = _AT.fullmatch(plain)
    if match is None or match[1] not in FAMILIES:
        return None
    return FAMILIES[match[1]] + match[2].upper()
