"""The recordings gym: recordings with faults of systems that are known, and what `identify` says of them."""
