"""The statistics behind verdicts: small pure functions, each with its source.

Scores are numbers from 0 to 1, one a case: repeats of a case are averaged first and never count as further
evidence. Differences are candidate minus baseline on the same case.

- how large: `intervals`, `proportions`, `bootstrap`, `ratios`, `skewed`
- is it chance: `significance`; is it good enough: `noninferiority`; may one stop: `sequential`
- how many cases and repeats: `power`, `repeats`, `allocation`
- judges and people: `agreement`, `judges`, `bias`, `pairwise`

Which question takes which, and when each is wrong: docs/statistics.md.
"""
