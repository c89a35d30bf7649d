"""A run's images as tables that other tools open, each in its own sub-folder of the export, in its documented format.

A module for each tool: `write(table, folder)` writes its files, `opens(folder)` says what to type. They share
:class:`backbench.exports.tools.table.Table`, and the folder `images-RUN` with the PNG files of a collection that is an
array of pixels.
"""
