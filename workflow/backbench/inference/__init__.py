"""Inference: what a finished run makes of images that it has not seen.

:func:`fitting.fit` makes a :class:`model.Model` of a run from its stored results; :meth:`model.Model.load` reads one
that was saved to a folder. A model gives features, class, cluster and nearest images of new images. :mod:`predicting`
reads the images from files and puts what is known of each side by side.

Imports `pictures` and layers below; scikit-learn, skops and torch inside functions alone.
"""
