"""What holds for every test."""

from hypothesis import settings

# The same examples everywhere, and no deadline: how fast a machine is decides nothing.
settings.register_profile("rig", deadline=None, derandomize=True, database=None)
settings.load_profile("rig")
