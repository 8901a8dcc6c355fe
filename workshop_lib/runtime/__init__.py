"""What any long-running program needs: processes, locks, waits, retries, clients, Java."""
