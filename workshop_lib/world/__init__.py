"""The simulated site: customers, tracks, listening, planted truths, and the ledger of them.

``generate`` makes a world, ``import_`` takes one from files, ``read`` loads what other
parts need of it, ``describe`` tells what is in it. Serves all stages.
"""
