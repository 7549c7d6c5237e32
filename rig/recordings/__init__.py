"""Recordings of any instrument, read as captures: VCD, sigrok sessions, CSV.

Every reader works through its file in blocks, so the memory it takes depends on the number
of edges and not on the size of the file, and refuses with `EvidenceError` what it cannot
read for certain: file, position, what is allowed, what to do.
"""
