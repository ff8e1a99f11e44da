"""One module per figure and nothing else; see ``pmrl.reporting.write_figure``."""
