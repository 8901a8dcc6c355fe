"""Act on it (Stage 3): learn who takes an offer, decide in the stream, send the message."""
