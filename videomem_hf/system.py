"""What the machine gives this process: available CPUs, and which of several processes it is."""

import os


def available_cpus() -> int:
    """CPUs that this process may run on, where the system says so (containers give fewer than the machine has)."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def is_main_process() -> bool:
    """Whether this is the process that reports, by what the launcher set; true where there is only one."""
    return os.environ.get("RANK", "0") == "0"
