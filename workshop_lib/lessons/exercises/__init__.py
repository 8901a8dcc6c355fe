"""The exercises: a file a stage, each a table of checks and hints."""
