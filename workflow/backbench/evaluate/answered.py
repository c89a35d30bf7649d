"""What a classifier's answers are worth if it gives them only where it is sure, as a sentence."""

from backbench.engine.results.joined_run import Row

HEAD = "classification"


def words(row: Row) -> str:
    """How many test images are answered above a threshold, and how many of the answers are right, with an interval.

    Empty where the classifier gives no probabilities, or there are no test images.
    """
    facts = row.heads.get(HEAD, {}).get("info", {}).get("answering")
    if not facts:
        return ""
    answered, images = facts["answered"], facts["images"]
    target = "" if facts["target"] is None else f" (chosen on validation for {_percent(facts['target'])} right)"
    where = f"if it answers only where its probability is at least {facts['threshold']:g}{target}"
    if not answered:
        return f"{where}, none of the {images:,} test images is answered"
    low, high = (f"{100 * end:.0f}" for end in _wilson(facts["right"], answered))
    right = f"{_percent(facts['right'] / answered)} of these are right ({low} to {high})"
    return f"{where}, {_percent(answered / images)} of the test images are answered, and {right}"


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def _wilson(right: int, of: int) -> tuple[float, float]:
    """Wilson's (1927) 95 % interval of a share."""
    from statsmodels.stats.proportion import proportion_confint

    low, high = proportion_confint(right, of, method="wilson")
    return float(low), float(high)
