"""One file is one page of the site: TITLE, and ``build(shown)``, which returns its text in Markdown."""
