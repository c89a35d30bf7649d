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

COMPARE = ""

REPORT = ""

PLOT = ""
