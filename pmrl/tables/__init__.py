"""One module per table and nothing else; see ``pmrl.reporting.write_table``."""
