"""Charts: one catalogue of questions for the explorer, Kibana and the page."""
