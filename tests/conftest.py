"""No test reaches a network or the caches of whoever runs the tests, or depends on the machine's speed."""

import atexit
import gc
import os
import shutil
import signal
import tempfile

from hypothesis import HealthCheck, settings

os.environ["HF_HUB_OFFLINE"] = "1"
# Networks this small are not faster on more threads, and much slower where the threads wait for each other.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ["HF_HOME"] = tempfile.mkdtemp(prefix="videomem-tests-")
atexit.register(shutil.rmtree, os.environ["HF_HOME"], ignore_errors=True)

# A shell starts background jobs with SIGINT ignored, and the processes that tests interrupt would inherit that.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# A busy machine may be slow; in CI every run tries the same examples, so that a failure belongs to the change.
settings.register_profile(
    "videomem", deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=bool(os.environ.get("CI"))
)
settings.load_profile("videomem")


def pytest_xdist_auto_num_workers() -> int:
    """One worker more than CPUs: browsers, servers and processes make tests wait for a quarter of their time."""
    from videomem_hf.system import available_cpus  # after the environment above is set

    return min(available_cpus() + 1, 4)


def pytest_collection_finish() -> None:
    """Garbage collections, which each training run asks for, need not look through what is imported."""
    gc.collect()
    gc.freeze()
