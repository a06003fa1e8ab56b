"""The offline driver: cases through the one pipeline, scores, and verdicts with statistics.

`datasets` and `suites` read files, `runner` answers and scores the cases, `compare` pairs two runs, `gate`
judges the comparison, `markdown` shows it. A new kind of scorer is one file in `scorers/`.
"""
