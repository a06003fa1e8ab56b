"""What guards find and what they cost, and the training of their models."""

import os

# Before numpy is loaded: sums over several threads come out a little different each time, and so would the models.
os.environ.update(dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1"))
