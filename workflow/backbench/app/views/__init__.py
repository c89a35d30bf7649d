"""What the page draws, by streamlit: one module for each view."""
