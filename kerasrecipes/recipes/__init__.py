"""One paper, one file: a builder that reads like the paper's table, and the named configurations of it."""
