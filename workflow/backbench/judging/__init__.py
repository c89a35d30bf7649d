"""Judging: which of many clusterings of the same images to take where there are no classes.

A judge is a deep representation of the images. `judge` says how well each clustering agrees with one judge, `rule`
chooses by what several judges say, and `embedding` makes what a judge needs beside its features. Pure functions on
arrays with fixed seeds: from `backbench` they import metrics alone.
"""
