"""Who has a bench: a lock on this machine, or a place of a labgrid lab."""
