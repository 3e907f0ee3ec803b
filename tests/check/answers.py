"""Where the answers to the exercises are gathered; a module a chapter beside this one, named as its self-checks' is.

They are written as a student would write them, not by calling the package.
"""

# For each check: right answers, and wrong ones with words that the diagnosis must contain.
RIGHT, WRONG = {}, {}


def right(name, *answers):
    RIGHT.setdefault(name, []).extend(answers)


def wrong(name, answer, *words):
    WRONG.setdefault(name, []).append((answer, words))
