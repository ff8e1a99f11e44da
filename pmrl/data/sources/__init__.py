"""One module per built-in data set and nothing else; see ``pmrl.data.registry``."""
