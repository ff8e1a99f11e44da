"""What tables and figures share: the reader of results, the statistics, the layout, and how artefacts are written."""
