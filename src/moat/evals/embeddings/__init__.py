"""Embedding models from a directory, with numpy alone: nothing is downloaded and no framework is needed.

`local` is what scorers use. It reads models as Hugging Face keeps them: BERT encoders such as all-MiniLM-L6-v2, and the
static embeddings of model2vec.
"""
