"""One small file for each step of the pipeline; `moat.pipeline.recipe` has their order."""
