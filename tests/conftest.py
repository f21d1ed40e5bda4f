"""Nothing here may reach a network, nor the caches of whoever runs the tests."""

import atexit
import os
import shutil
import tempfile

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["HF_HOME"] = tempfile.mkdtemp(prefix="videomem-tests-")
atexit.register(shutil.rmtree, os.environ["HF_HOME"], ignore_errors=True)
