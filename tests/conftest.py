"""Nothing here may reach a network, nor the caches of whoever runs the tests."""

import atexit
import os
import shutil
import tempfile

from hypothesis import settings

os.environ["HF_HUB_OFFLINE"] = "1"
# Networks this small are not faster on more threads, and much slower where the threads wait for each other.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ["HF_HOME"] = tempfile.mkdtemp(prefix="videomem-tests-")
atexit.register(shutil.rmtree, os.environ["HF_HOME"], ignore_errors=True)

settings.register_profile("videomem", deadline=None)  # a busy machine is slow, which is no fault of the code
settings.load_profile("videomem")
