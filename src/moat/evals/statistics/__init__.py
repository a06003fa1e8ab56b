"""The statistics behind verdicts: small pure functions, each with its source.

Scores are numbers from 0 to 1, one a case: repeats of a case are averaged first and never count as further
evidence. Differences are candidate minus baseline on the same case.
"""
