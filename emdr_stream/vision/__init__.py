"""Picture bytes of a camera go in, what they show of a face comes out; no picture leaves, none is kept."""
