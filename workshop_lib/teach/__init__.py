"""What only a lesson needs: starting over."""
