# %% [markdown]
# # backbench in Python
#
# The words of the command line, as functions. This tour takes 300 images of Fashion-MNIST and a small grid, so that it
# takes a minute. For your own images, give a folder: `backbench.sweep("photos")`.

# %%
import backbench

GRID = {
    "experiment": "none",
    "dataset.sample": 300,
    "backbone": ["pixels", "efficientnet_lite0"],
    "backbone.image.size": 96,
    "backbone.image.resize": "squash",
    "backbone.image.shorter": None,
    "clusterer": ["kmeans", "agglomerative"],
    "k": [5, 10],
    "classifier": ["knn", "logistic_regression"],
    "plots": "none",
}

# %% [markdown]
# `plan` computes nothing: it says what a sweep would run, and how long that takes.

# %%
outlook = backbench.plan(GRID)
print(len(outlook.runs), "runs in", outlook.jobs, "jobs:", outlook.text)

# %% [markdown]
# `sweep` computes what is missing and records every run. The same call again computes nothing.

# %%
sweep = backbench.sweep(GRID)
sweep

# %%
print(sweep.answer)

# %% [markdown]
# Runs and leaderboards are tables of pandas. Conditions are those of `backbench runs --filter`.

# %%
columns = ["backbone.name", "clusterer.name", "k", "ami", "classifier.name", "accuracy"]
backbench.runs("k=10")[columns].sort_values("ami", ascending=False)

# %%
board = backbench.leaderboard("backbone.name=efficientnet_lite0", limit=2)
board[["board", "rank", "classifier.name", "clusterer.name", "k", "run"]]

# %% [markdown]
# A run by its config hash, a prefix of it, or `best`: what the newest sweep recommends.

# %%
run = backbench.run("best")
run, run.metrics["accuracy"], run.features().shape

# %% [markdown]
# `predict` takes paths, bytes, images of Pillow or arrays of pixels, and gives a row for each. On its own test images a
# run says what it said in the sweep.

# %%
test = run.predictions().query("split == 'test'")
rows = [list(run.names).index(name) for name in test.index[:5]]
images = run.images(rows)
predicted = run.predict(images)
predicted[["label", "score", "cluster", "unlike"]].assign(true=list(test["true"][:5]))

# %% [markdown]
# `search` gives the known images that are most like an image; the first one here is the image itself, since
# only files are recognised by their bytes.

# %%
run.search(images[0], n=4)

# %% [markdown]
# `reproduce` computes everything again in an empty folder, and compares.

# %%
run.reproduce().verdict
