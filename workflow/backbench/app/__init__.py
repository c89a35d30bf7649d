"""The page: the runs of a results folder in the browser, to try images on them, browse their clusters and see maps.

Modules without an underscore prepare what is shown, from stored results alone, and are tested without a browser.
`server` is the application that ``streamlit run`` starts, `script` runs for each interaction, and `views` draws;
streamlit and plotly are imported by these alone, and by others inside functions.
"""
