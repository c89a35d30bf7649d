"""The texts at the end of ``--help`` of the commands that need more than a list of options."""

GRAMMAR = """\
examples:
  backbench sweep ~/photos                a folder with one sub-folder per class, or of images without labels
  backbench sweep photos.zip k=2..15      an archive, over several k
  backbench sweep embeddings.parquet      features made elsewhere (.parquet, .npz, .npy, .safetensors)
  backbench plan labels.csv               a table of images and labels: what a sweep would run
  backbench sweep dataset=fashion_mnist   a known collection

A path stands for overrides, which are printed first. The path in an option is taken literally:
dataset.root='~/my photos (2023)'. Overrides are key=value in Hydra's grammar, sweeps included:

  backbone=pixels,efficientnet_lite0      both options of a group
  'clusterer=glob(*)'                     every option of a group
  k=2..15  k=2,5,10  seeds=0..9           values; seeds is short for the axis seed
  split.repeats=10  split.folds=5         several splits of the same images; short for the axis split.repeat
  k=auto                                  at most 12 from 2 to 50, or to a third of the images
  clusterer.eps_quantile=0.5,0.9          an option that only some plugins have applies to these alone
  chain@clustering.chain=pca50            the transform chain of one task
  experiment=none                         without the axes of the default experiment (quickstart; collection for
                                          folders, archives and embeddings)
"""

AUDIT = """\
examples:
  backbench audit ~/photos
  backbench audit photos.zip dataset.near_distance=8      finds near duplicates that are less alike, too
  backbench audit dataset=fashion_mnist --strict && backbench sweep dataset=fashion_mnist
  backbench audit --labels best                           which labels are doubtful, after a sweep

Overrides are the same as for `backbench sweep`; only those of the data set matter here. The audit looks for unreadable
files, exact and near duplicates, images in two splits or in two classes, blank, odd and tiny images, and uneven
classes. It changes nothing. The options of the data set decide how a sweep handles what the audit finds:

  dataset.unreadable=exclude|fail             dataset.duplicates=keep|exclude|fail
  dataset.near_duplicates=keep|exclude|fail   dataset.leaks=keep|fail

With fail, the audit stops with an error as the sweep would; leave the option out to get the page. Results are cached:
a second audit is fast, and `sweep` uses the same results.

--labels fits the chain and the classifier of a run several times, each time without a part of the images, and compares
the probabilities of that part with its labels (confident learning). It writes a page with the doubtful images and a
table of all images, the most doubtful first. `best` takes the best classifier with probabilities of the newest sweep.
"""

ANSWER = """\
examples:
  backbench answer                                      every collection that has results
  backbench answer --filter backbone.name=resnet50      of what was computed with this network alone
  backbench answer --format json                        every fact: runs, estimates, intervals, ties, seconds

One answer for each task and collection, from stored results; nothing is computed on images or features. It is the same
that a sweep ends with, and that the report and the summary run in MLflow show.

Classifiers are chosen on the validation images and reported on the test images, clusterings are chosen by agreement
with the classes (AMI), representations by how many of the nearest images have the query's class. "As good" means that
paired resampling finds none of them better. The fastest of them is the one whose extraction and fit took the fewest
seconds. Pixels are a baseline: they stand beside the answer and are none, unless nothing else was tried.

Without classes, clusterings are chosen by the policy of the newest sweep (selection=NAME). Most policies cannot rank
one representation above another; the answer then lists what they chose in each. A clustering that leaves too much noise
or has one large cluster is never recommended.

Ranges are 95 % intervals. `backbench leaderboard` shows all results, `backbench select` what each criterion says of k.
"""

SELECT = """\
examples:
  backbench select                                                every representation, by the policy of its sweep
  backbench select --filter backbone.name=pixels --filter chain=pca50
  backbench select --policy internal                              no clusterer is preferred
  backbench select --policy external --metric ami --metric ari    for images with classes
  backbench sweep selection=internal selection.noise_at_most=0.2  the policy of a sweep

This command answers two questions from stored results; it computes nothing on images or features.

Which k: for each family (fits that differ only in k; seeds are averaged), the knee of the within-cluster sum of squares
(elbow), the largest silhouette, the smallest Davies-Bouldin (DB), the largest Calinski-Harabasz (CH) and, if available,
the smallest BIC. 15+ means that the best value is the largest k that was tried: try larger ones. A dash means no knee
or too few values of k (an elbow takes three); --format json gives the reason.

Which clustering: one for each representation, because internal metrics cannot be compared between feature matrices. The
published policy takes DBSCAN if it leaves at most 30 % as noise, and otherwise the best mean rank over silhouette
(higher is better), Davies-Bouldin (lower) and Calinski-Harabasz (higher). Policies are files in conf/selection; you can
add your own. They are not part of any hash, and choosing again computes nothing. docs/choosing.md says when to distrust
a choice.

All recorded runs are considered; the choices of one sweep are in results/sweeps/ID/selection.json. A filter leaves out
runs without such a value: k<=15 leaves out DBSCAN, which finds k itself.
"""

DOCTOR = """\
Every line is one finding: ok, warn or fail, what was looked at, what was seen, and what to set. Nothing is changed, and
what does not answer within seconds is a finding. Exit status 1 if something fails.

On a cluster, give the options that Snakemake gets from your sweep; without them, profiles/slurm is looked at:

  backbench doctor -- --workflow-profile profiles/slurm

`backbench sweep` looks at SLURM itself before it submits anything.
"""

COMPARE = """\
examples:
  backbench compare HASH HASH                               every task of two runs, on the images that both predict
  backbench compare HASH HASH HASH --metric accuracy        three runs: each pair, corrected for multiple testing
  backbench compare HASH HASH --over seeds                  their configurations, seed by seed
  backbench compare --by classifier.name --metric macro_f1  all classifiers, wherever each of them has a result
  backbench compare --by backbone.name --over datasets

Accuracies are compared with McNemar's test on the test images, other metrics with a paired bootstrap over the images,
seeds and data sets with Wilcoxon's signed-rank test, and three or more values of a column with Friedman's test and
Nemenyi's critical difference. p is corrected with Holm's method over the pairs of a metric. Each p comes with the
difference, its 95 % interval and a sentence. The command compares results, not runs: two runs that share a fit have
nothing to compare there.

Results of repeated splits (split.repeats=10, split.folds=5) are compared with the corrected resampled t test of Nadeau
and Bengio, on the splits that both have. Sweep seeds=0..9 to see the effect of chance; at least six seeds or data sets
are needed to reach p = 0.05. A difference that no test detects may still exist: look at the interval.
docs/statistics.md says more.
"""

REPORT = """\
examples:
  backbench report                                the newest sweep
  backbench report f46bbb --to ~/fashion.html     another sweep by its id, and a copy to send
  backbench sweep -- --report $PWD/answer.zip     Snakemake's own report, with this page and the pictures in it

The page is results/sweeps/ID/report.html: one file below 10 MB that needs no network. It summarises the results in
words, says which of them are indistinguishable and what to distrust. Its tables can be sorted, filtered and searched,
and every row has the command that computes it again. The page is made from stored results alone, and the same results
give the same page. It says what is pending; nothing is computed.
"""

PLOT = """\
examples:
  backbench plot HASH                           every available picture of a run
  backbench plot HASH confusion retrieval       these two
  backbench plot HASH --list                    all pictures: which are drawn, and why others cannot be
  backbench plot SWEEP                          those of a whole sweep, by its id (`backbench plan` prints it last)
  backbench plot SWEEP heatmap metric=ami x=k y=space
  backbench plot HASH --to ~/slides             copies with the hash in their names

of a run:    confusion, per_class, size_recall, predictions, probe_choice (classifiers); silhouette, composition,
             pies, elbow, contingency, cluster_samples, dendrogram (clusterings); map_pca, map_tsne, map_umap, and each
             with _images; retrieval; training_loss, reconstructions (autoencoders)
of a sweep:  leaderboard_intervals, learning_curve, metric_by_k, elbows, heatmap, pareto, agreement,
             critical_difference

Pictures are made from stored results alone, and drawn again only if what they show has changed. The numbers of each
picture are in a CSV file beside it. A sweep ends with the pictures of the best run per backbone and clusterer
(plots=best); plots=all draws those of every distinct result, plots=none draws nothing. `backbench track` attaches new
pictures to their runs in MLflow.
"""

PAPER = """\
examples:
  backbench paper                                       all papers, and what each needs
  backbench paper fashion_mnist_autoencoder             a whole paper; `backbench plan experiment=NAME` says how long
  backbench paper fashion_mnist_autoencoder dataset.sample=3000 backbone.epochs=5         a quick look, on fewer images
  backbench paper animals_vgg16 dataset.root=~/animals backbone.weights=~/vgg16.pth       with files of your own
  backbench paper caltech101_retrieval backbone=efficientnet_lite0 dataset=fashion_mnist  without files of your own
  backbench paper fashion_mnist_autoencoder --format markdown > table.md

A paper consists of a preset, conf/experiment/NAME.yaml, and the published figures as data. The command runs the sweep
of the preset and puts each published figure beside ours under the same definition, with the difference and the reason
for it. Existing results are not computed again, and an interrupted command continues where it stopped. Any key and axis
of the preset can be overridden. An overridden value is a stand-in: it is found by comparison with the preset, and the
table says so. With the paper's own inputs, the same preset runs unchanged.

The table, its page (index.html), the pictures and the exported files are in results/papers/NAME/SWEEP, and with the
sweep's summary run in MLflow. The exit status is 1 if something failed that one of our figures needs. docs/papers.md
shows all papers.
"""

EXPORT = """\
examples:
  backbench export HASH                         into results/exports/HASH
  backbench export HASH --to ~/flowers          into a folder of your own
  backbench export HASH --joblib                also the fitted classifier as a pickle
  backbench export HASH --mlflow                also an MLflow model, for mlflow models serve
  backbench export HASH --register flowers      also in MLflow's registry, as a version of flowers
  backbench export HASH --for embedding-atlas --for tensorboard       also files that these tools open
  backbench export HASH --onnx                  also the backbone as ONNX

The files are features.npz, clusters.npz, predictions.csv, the fitted classifier with its transforms as one scikit-learn
pipeline (classifier.skops, no pickle), classification_report.txt, a confusion matrix, a sample grid, and
final_report.json with the configuration, every metric, versions and the SHA-256 of each file. The pipeline is fitted
again from the stored features and checked against the stored predictions; the report says where they differ. A
README.md in the folder shows how to predict with it.

--for writes a sub-folder named like the tool, and prints the command that opens it. The tool is installed apart.
"""

ORGANISE = """\
examples:
  backbench organise best ~/sorted              one folder of links per cluster
  backbench organise HASH ~/sorted --copy       copies instead
  backbench organise HASH ~/sorted --by class   a folder per predicted class; training images by their given class
  backbench organise HASH ~/sorted --move --dry-run
  backbench organise HASH ~/sorted --move       shows the plan, asks, and moves
  backbench organise --undo ~/sorted            puts everything back, also after an interrupted move

Folders are called by the names from `backbench label` or --names, else cluster 00, cluster 01 ...; noise goes to noise,
and images that were not part of the clustering go to `not clustered`. Of equal file names, the second gets (2).
Nothing is ever overwritten. The same command again continues, and skips what is there. Photographs that are missing or
have changed since the sweep are named and left alone; the exit status is then 1.

Links are relative if TARGET lies beside the collection, so that both can be moved together, and absolute elsewhere.
Each move is written to TARGET/backbench-moves.jsonl before it is made. TARGET/clusters.csv has the path, cluster and
name of each photograph, its distance to the centre of the cluster and its silhouette width. docs/using.md says more.
"""

LABEL = """\
examples:
  backbench label best                              the clusters, and where to write their names
  backbench label HASH --set 0=boots --set 3=bags   name two of them
  backbench label HASH --names ~/names.csv          take the names from a CSV; semicolons and quotes are fine
  backbench label HASH --fix ~/wrong.csv            correct single images (columns path, label)

The names are kept in results/labels/HASH.csv, which you can also fill in with a spreadsheet. Several clusters may have
the same name; an empty name leaves a cluster out. As soon as one has a name, the command writes the labelled collection
and prints the `backbench sweep` line that trains classifiers on it. `backbench organise` uses the names as well.
"""

PREDICT = """\
examples:
  backbench predict best photo.jpg                          of the run that the newest sweep recommends
  backbench predict HASH ~/new --to new.csv                 a folder with all that is below it
  backbench predict HASH new.zip --format jsonl -n 10       an archive, each image with its ten nearest known ones
  backbench predict HASH list.csv --root ~/photos           a CSV with a column path, file or image
  backbench predict HASH ~/new --grid new.png               also a picture of a sample

For each image: the class with its probability (a score, where the classifier has no probabilities), the cluster, the
nearest images of the run's collection with their distances, and whether it is unlike anything seen: its nearest known
image is farther away than that of 99 % of the training images is from them. An image of the collection itself is
recognised by its bytes, and gets what the run stored.

Files that cannot be read get a row with the reason; the exit status is 1 only if none could be read. A table has any
number of rows in the same memory. docs/using.md says how a new image gets its cluster.
"""

SEARCH = """\
examples:
  backbench search best ~/boot.jpg                      the ten known images that are most similar, with scores
  backbench search HASH ~/new -n 5 --grid found.png     every image of a folder, and a picture of what is found
  backbench search HASH ~/boot.jpg --within class=boots --within split=train
  backbench search HASH --text "red boots" --text "a dog on a beach"        with a backbone that knows texts
  backbench search HASH ~/new --to found.csv            query, rank, image, class, score, distance, path

The known images are those of the run's collection. They are compared in the space of the run's retrieval, by its
distance; a run without one compares its features by their cosine. The score is the cosine similarity, which is 1 for
the same direction, or with euclidean distances the distance itself, which is 0 for the same place. A query that is in
the collection, known by its bytes, is left out of its own results, as in retrieval. Files that cannot be read are
listed with the reason, and stop nobody.

Texts need a backbone that was trained on images and texts: open_clip. Words are taken as they are typed, and compared
by the cosine with the features as the backbone gives them, whatever the transforms of the retrieval.

Up to 100,000 images every one is compared. Above, an index is made once and kept in results/cache; what is searched,
and how many of the true neighbours are found, is printed with the results.
"""

APP = """\
examples:
  backbench app                       the newest sweep, the run that it recommends
  backbench app 3f2a91c0d4e7          this run
  backbench app --port 9000 --no-browser

The page is for this machine alone (127.0.0.1); images that are dropped on it stay in memory and go nowhere. To open it
from another machine: ssh -L 8501:localhost:8501 HOST. Ctrl-C ends it. docs/app.md shows it.
"""

SERVER = """\
examples:
  backbench server                            make it, or start it again, at port 5000 of this machine
  backbench server --port 5001 --host 0.0.0.0  for a team: who reaches this machine may record runs, without a password

It stays in the foreground until Ctrl-C, and prints the line that everybody types to use it
(export MLFLOW_TRACKING_URI=...). Data, artifacts and logs lie in results/server. It needs PostgreSQL
(apt-get install postgresql) and its driver (pip install "backbench[postgres]"). From another machine without --host:
ssh -L 5000:localhost:5000 HOST. docs/mlflow.md has more.
"""

STORE = """\
examples:
  backbench store ls                                 results by kind
  backbench store du                                 what takes the space: by kind, by sweep, images, leftovers
  backbench store verify                             every record and array against its digest; status 1 if damaged
  backbench store gc                                 what could go: decoded images, leftovers, unfinished work
  backbench store gc --older-than 30d --yes          and the results of sweeps not launched for 30 days
  backbench store gc --size-limit 50G --yes          images first, then the results of the oldest sweeps
  backbench store gc --unreferenced --yes            and what no sweep of this results folder names

gc removes nothing without --yes, and nothing that another sweep of this results folder uses. A store in another place
may be used by other results folders, which are not known here: what they need of it is computed there again. Nothing
is removed while a sweep runs on this results folder.
"""

SWEEPS = """\
examples:
  backbench sweeps ls
  backbench sweeps rm 1f2e3d4c5b6a                   its plans, joined results, pictures, report and receipts
  backbench sweeps rm 1f2e3d4c5b6a --results --yes   and its results in the store that no other sweep here uses

Runs in MLflow stay. What is removed of the store is computed again by the next sweep that needs it.
"""
