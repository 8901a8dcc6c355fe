"""Chaos: seeded faults in a pipeline under load, and an account of every line that was written.

Read ``run`` first, then ``faults``; ``site`` holds servers and processes, ``load`` writes the
log, ``check`` compares what was written with what is stored, ``controls`` proves that it sees;
``page`` asks whether the live page is right, ``small_disk`` is what can be full.
"""
