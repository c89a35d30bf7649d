"""What ``--help`` of a command ends with where it teaches (layer 4)."""

GRAMMAR = """\
examples:
  backbench sweep ~/photos                a folder with one sub-folder per class, or of images without labels
  backbench sweep photos.zip k=2..15      an archive, over several k
  backbench sweep embeddings.parquet      features made elsewhere (.parquet, .npz, .npy, .safetensors)
  backbench plan labels.csv               a table of images and labels: what a sweep would run
  backbench sweep dataset=fashion_mnist   a known collection

The path is written out as the overrides that it stands for, which are shown first. A path of an option is taken as it
stands: dataset.root='~/my photos (2023)'. Overrides are key=value in Hydra's grammar, sweeps included:

  backbone=pixels,efficientnet_lite0      both options of a group
  'clusterer=glob(*)'                     every option of a group
  k=2..15  k=2,5,10  seeds=0..9           values; seeds is short for the axis seed
  clusterer.eps_quantile=0.5,0.9          an option that only some plugins have applies to these alone
  chain@clustering.chain=pca50            the transform chain of one head
  experiment=none                         without the axes of the default experiment (quickstart)
"""

AUDIT = """\
examples:
  backbench audit ~/photos
  backbench audit photos.zip dataset.near_distance=8      more, and more look-alikes
  backbench audit dataset=fashion_mnist --strict && backbench sweep dataset=fashion_mnist

Overrides are those of `backbench sweep`; the ones of the data set decide. Looked for: unreadable files, equal and near
duplicates, the same image in two parts of the split or under two classes, blank, odd and tiny images, uneven classes.
Nothing is changed. What a sweep does about it is up to the policies of the data set:

  dataset.unreadable=exclude|fail             dataset.duplicates=keep|exclude|fail
  dataset.near_duplicates=keep|exclude|fail   dataset.leaks=keep|fail

With fail, the audit refuses as the sweep would: leave it out to see the page. What was looked at once is kept, so a
second call is quick, and `sweep` uses the same results.
"""

SELECT = """\
examples:
  backbench select                                                every representation, by the policy of its sweep
  backbench select --filter backbone.name=pixels --filter chain=pca50
  backbench select --policy internal                              no clusterer is preferred
  backbench select --policy external --metric nmi --metric ari    where the images have classes
  backbench sweep selection=internal selection.noise_at_most=0.2  the policy of a sweep

Two questions are answered from the stored results; nothing is computed on images or features.

Which k: for each family (all the same but k; seeds are averaged) the knee of the within-cluster sum of squares (elbow),
the largest silhouette, the smallest Davies-Bouldin (DB), the largest Calinski-Harabasz (CH), and where there is one the
smallest BIC. 15+ is the largest k that was tried: try larger ones. - is no knee, or too few values of k (an elbow takes
three); --format json says why.

Which clustering: one for each representation, since internal metrics compare nothing across feature matrices. The
published policy takes DBSCAN where it leaves at most 30 % as noise, else the best mean rank over silhouette (up),
Davies-Bouldin (down) and Calinski-Harabasz (up). Policies are the files of conf/selection: add your own. They are no
part of any hash, and choosing anew computes nothing. docs/choosing.md says when to distrust a choice.

All runs made here are looked at; what one sweep chose is in results/sweeps/ID/selection.json. A filter leaves out what
has no such value: k<=15 leaves out DBSCAN, which finds k itself.
"""

COMPARE = """\
examples:
  backbench compare HASH HASH                               every head of two runs, on the images that both predict
  backbench compare HASH HASH HASH --metric accuracy        three: each pair, corrected for their number
  backbench compare HASH HASH --over seeds                  their configurations, seed by seed
  backbench compare --by classifier.name --metric macro_f1  all classifiers, wherever all of them have a result
  backbench compare --by backbone.name --over datasets

Accuracies are compared by McNemar's test on the test images, other metrics by a paired bootstrap of the images, seeds
and data sets by Wilcoxon's signed-rank test, three and more values of a column by Friedman's test with Nemenyi's
critical difference. p is corrected by Holm over the pairs of a metric. Beside each p stand the difference with its 95 %
interval and a sentence. Results are compared, not runs: two runs that hold the same fit have nothing to compare.

Sweep seeds=0..9 to see what chance does; six seeds or data sets are the fewest that can reach p = 0.05. A difference
that no test finds may still be there: look at the interval. docs/statistics.md says more.
"""

REPORT = """\
examples:
  backbench report                                the newest sweep made here
  backbench report f46bbb --to ~/fashion.html     another one by its id, and a copy to send
  backbench sweep -- --report $PWD/answer.zip     Snakemake's own report, with this page and the pictures in it

The page is results/sweeps/ID/report.html: one file below 10 MB that needs no network. It says in words what the numbers
say, which results cannot be told apart, and what to distrust; its tables sort, filter and search; every row has the
command that computes it again. It is made from stored results alone: the same results make the same page. What is
pending is said; nothing is computed.
"""

PLOT = """\
examples:
  backbench plot HASH                           every picture that there is of a run
  backbench plot HASH confusion retrieval       these two
  backbench plot HASH --list                    which there are, which are drawn, and why others are not
  backbench plot SWEEP                          those of a whole sweep, by its id (`backbench plan` ends with it)
  backbench plot SWEEP heatmap metric=nmi x=k y=space
  backbench plot HASH --to ~/slides             copies with the hash in their names

of a run:    confusion, per_class, size_recall, predictions (classifiers); silhouette, composition, pies, elbow,
             contingency, cluster_samples, dendrogram (clusterings); map_pca, map_tsne, map_umap, and each with _images;
             retrieval; training_loss, reconstructions (autoencoders)
of a sweep:  leaderboard_intervals, heatmap, metric_by_k, pareto, elbows, agreement, critical_difference

Pictures are made from stored results alone, once: they are drawn again when what they show has changed. Beside each lie
its numbers as CSV. A sweep ends with those of the best run per backbone and clusterer (plots=best); plots=all draws
every distinct result, plots=none nothing. `backbench track` attaches new ones to their runs in MLflow.
"""

PAPER = """\
examples:
  backbench paper                                       which papers there are, and what each needs
  backbench paper fashion_mnist_autoencoder             the whole of it: `backbench plan experiment=NAME` says how long
  backbench paper fashion_mnist_autoencoder dataset.sample=3000 backbone.epochs=5        a quick look, on fewer images
  backbench paper animals_vgg16 dataset.root=~/animals backbone.weights=~/vgg16.pth      with files of your own
  backbench paper caltech101_retrieval backbone=efficientnet_lite0 dataset=fashion_mnist with what is at hand
  backbench paper fashion_mnist_autoencoder --format markdown > table.md

A paper is a preset, conf/experiment/NAME.yaml, and what was published, as data. The command runs the sweep of the
preset (what is in the results folder is not computed again; killed, the same command goes on) and puts each published
figure beside ours under the same definition, with the difference and why there is one. Any key and axis of the preset
can be overridden. What was overridden is a stand-in: it is found by comparing with the preset, and the table says so.
With the inputs of the paper the same preset runs unchanged.

The table, its page (index.html), the pictures and the exported files are in results/papers/NAME/SWEEP, and with the
sweep's summary run in MLflow. Ends with 1 where something failed that a figure of ours needs. docs/papers.md shows all.
"""

EXPORT = """\
examples:
  backbench export HASH                         into results/exports/HASH
  backbench export HASH --to ~/flowers          into a folder of your own
  backbench export HASH --joblib                the fitted classifier as a pickle too

What is written: features.npz, clusters.npz, predictions.csv, the fitted classifier with its transforms as one
scikit-learn pipeline (classifier.skops, no pickle), classification_report.txt, confusion matrix, sample grid, and
final_report.json with the configuration, every metric, versions and the SHA-256 of each file. The pipeline is fitted
again from the stored features and held against the stored predictions; where one differs, the report says so. A
README.md in the folder shows how to predict with it.
"""
