"""The simulated site: customers, tracks, listening, planted truths, and the ledger of them.

``generate`` makes a world, ``import_`` reads one from files, ``read`` loads the tables that
other rooms need, ``describe`` counts what is in it. Serves all stages.
"""
