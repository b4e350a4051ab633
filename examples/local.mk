# Example scripts.
