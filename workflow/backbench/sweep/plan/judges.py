"""Which representations judge clusterings when there are no classes to choose by."""

# Representations that show what is gained over doing nothing: candidates, but neither answers nor judges.
BASELINES = ("pixels",)
