"""Where the answers to the exercises are gathered; a module a chapter beside this one, named as its self-checks' is.

They are written as a student would write them, not by calling the package.
"""

import sys

# For each check: right answers, and wrong ones with words that the diagnosis must contain.
RIGHT, WRONG = {}, {}
MODULE = {}  # where the answers to each check stand


def right(name, *answers):
    RIGHT.setdefault(name, []).extend(answers)
    MODULE.setdefault(name, set()).add(sys._getframe(1).f_globals["__name__"])


def wrong(name, answer, *words):
    WRONG.setdefault(name, []).append((answer, words))
    MODULE.setdefault(name, set()).add(sys._getframe(1).f_globals["__name__"])
