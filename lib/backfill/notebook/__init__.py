"""Notebooks: executed headless, opened in JupyterLab, turned into a page."""
