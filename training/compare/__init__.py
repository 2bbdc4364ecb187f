"""In: real recordings. Out: how far the simulator's streams resemble them, as a table and as figures."""
