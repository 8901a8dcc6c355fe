"""Stage 4: starts the live page and a browser that looks at it."""
