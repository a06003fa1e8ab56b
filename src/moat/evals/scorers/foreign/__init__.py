"""Scorers of other evaluation libraries, run as they are; what they ask a model goes through the one pipeline.

The libraries are not installed with Moat and are imported when the first answer is scored. `library` is what these
scorers have in common; `promptfoo` needs no library, it reads promptfoo's assertions.
"""
