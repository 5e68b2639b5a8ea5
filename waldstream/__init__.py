"""The application: settings, the command line, and the wiring of all parts."""

import os

# Before numpy is loaded, for this process and its children: the matrices here are small, and on a busy machine the
# threads of its linear algebra wait for one another many times longer than they compute.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
