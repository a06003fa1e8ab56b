"""Index versions, chunking, search, rerank. Comes later."""
