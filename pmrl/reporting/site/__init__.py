"""What the pages of the site share: what they read, how they show numbers, and how mkdocs builds them.

``write`` builds the site, ``shown`` is a results folder as a page sees it, ``html`` and ``charts`` show numbers,
``media`` shows items, ``documentation`` has the guides and the API reference, ``build`` hands all of it to mkdocs.
"""
