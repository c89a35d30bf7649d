"""What ``--help`` of a command ends with where it teaches (layer 4)."""

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
             cluster_samples, dendrogram (clusterings); map_pca, map_tsne, map_umap, and each with _images; retrieval;
             training_loss, reconstructions (autoencoders)
of a sweep:  leaderboard_intervals, heatmap, metric_by_k, pareto, elbows, agreement, critical_difference

Pictures are made from stored results alone, once: they are drawn again when what they show has changed. Beside each lie
its numbers as CSV. A sweep ends with those of the best run per backbone and clusterer (plots=best); plots=all draws
every distinct result, plots=none nothing. `backbench track` attaches new ones to their runs in MLflow.
"""
