"""In: simulated clients whose truth is known. Out: how much of what the detector misses could be found at all."""
