"""The book to keep: one PDF and one ePub, made from the built pages.

`pages` reads them in the order of the contents, `still` makes them what a page is where nothing moves, `links` leads
them to one another, and `pdf` and `epub` write the files.
"""
