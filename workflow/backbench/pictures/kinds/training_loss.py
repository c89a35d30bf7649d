"""The loss of a backbone that was trained on the images of the data set, epoch by epoch."""

from backbench.pictures import _images
from backbench.pictures.source import Source
from backbench.plots import Picture

TITLE = "Training of the backbone"
CATEGORY = "Training"
SUBJECTS = ("features",)
ORDER = 10
NAMES = {"training_loss": "training images", "training_validation_loss": "validation images"}
UNITS = {
    "mse": "mean squared error per pixel (0 to 1)",
    "bce": "binary cross-entropy per pixel (nats)",
}
VALIDATION = NAMES["training_validation_loss"]


def lacks(source: Source) -> str | None:
    """Why there are no curves."""
    return _images.untrained(source)


def draw(source: Source) -> Picture:
    """The loss on the training and on the validation images after every epoch."""
    from backbench.plots import curves

    losses = {NAMES.get(name, name): values for name, values in source.row.curves.items()}
    best = source.info("features")["training"].get("best_epoch")
    judged = (VALIDATION, best) if best and VALIDATION in losses else None
    unit = UNITS.get(str(source.row.params.get("backbone.loss")), "loss")
    heading = source.heading(TITLE)
    return curves.draw(heading, losses, unit, _caption(source, judged, losses), judged, _stopped(source))


def _stopped(source: Source) -> str:
    """Why the training ended."""
    done, params = source.info("features")["training"].get("epochs", 0), source.row.params
    most, patience = params.get("backbone.epochs"), params.get("backbone.patience")
    if most is None or done >= most:
        return f"ended after all {done} epochs" if done != 1 else "ended after its only epoch"
    return f"stopped early, after epoch {done} of at most {most}: no improvement for {patience} epochs"


def _caption(source: Source, judged: tuple[str, int] | None, losses: dict[str, list[float]]) -> str:
    words = f"Loss after each epoch; the training {_stopped(source)}."
    if judged:
        name, epoch = judged
        loss = losses[name][epoch - 1]
        words += f" The ring marks the best epoch, {epoch} ({loss:.4g}); the features are from its weights."
    return words
