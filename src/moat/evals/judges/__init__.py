"""Models as judges: what they are shown, what they must reply, and how several of them make one score.

Start with `asking`: one judgement. The scorers that suites name are `moat.evals.scorers.judge` and `.pairwise`; how far
a judge agrees with people is `moat.evals.calibration`.
"""
