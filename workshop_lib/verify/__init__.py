"""The score of every stage against the ledger, and one listener's way through all of it."""
