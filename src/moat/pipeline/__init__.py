"""The one pipeline. Read `recipe` for what a call goes through; `stages/` has one file for each step."""
