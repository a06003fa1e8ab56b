"""Red team: attacks on what answers, asked and scored like any other cases.

`attacks` reads them, `strategies` changes how they are put, `cases` makes cases of both for what is attacked, and
`rates` says how many worked. The scorer is `moat.evals.scorers.attack`.
"""
