"""Documents that follow the runs: what they show is written from committed copies of the studies' tables and figures.

``copies`` takes tables and figures from results folders into ``docs/results`` and ``docs/figures``; ``evidence`` reads
those copies; ``marks`` finds what a document asks for and writes it; ``command`` is ``pmrl documents``.
docs/writing_documents.md describes the marks.
"""
