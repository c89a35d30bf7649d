"""What streamlit runs for each session and each interaction."""

from backbench.app.views import page

page.draw()
