"""What networks have learned, as pictures."""
