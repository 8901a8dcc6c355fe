"""Erase a listener from every store, file and model of the home, and prove it."""
