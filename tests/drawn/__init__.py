"""Invented screenshots of the schedule app, drawn with Pillow, with the truth beside them."""
