"""Processes that die at a chosen point: ``points`` counts them, ``nursery`` makes the processes, ``scenes`` act."""
