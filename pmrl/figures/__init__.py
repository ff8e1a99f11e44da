"""One module per figure; none of them imports torch."""
