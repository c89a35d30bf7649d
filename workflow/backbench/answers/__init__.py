"""The answer in words: one template for the terminal, the report and MLflow, over the facts of `evaluate.verdicts`."""
