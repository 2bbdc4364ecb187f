"""In: the project's own code, and the public data where they are. Out: notebooks for people, kept without outputs."""
