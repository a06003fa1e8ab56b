"""Files as data: strict YAML and JSON with places, decoding into typed structs with exact error paths."""

from moat.documents.decode import decode
from moat.documents.jsonl import Line, read_jsonl
from moat.documents.rewriting import rewritten
from moat.documents.yaml import Document, Parts, parse_yaml, read_yaml

__all__ = ["Document", "Line", "Parts", "decode", "parse_yaml", "read_jsonl", "read_yaml", "rewritten"]
