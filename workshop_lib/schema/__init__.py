"""What flows and where it lies: the play, the tables, their names. Every other room reads it."""
