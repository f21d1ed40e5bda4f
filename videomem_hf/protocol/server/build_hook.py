"""Adds the study page's libraries to the wheel; without Node.js the wheel is built without them."""

import subprocess
import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class StudyPageHook(BuildHookInterface):
    """Run by hatchling before a wheel is built."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Fetch the libraries unless they are there; a failure is a warning."""
        server = Path(self.root, "videomem_hf", "protocol", "server")
        if not (server / "static" / "vendor" / "jspsych.js").is_file():
            command = [sys.executable, str(server / "build.py")]
            result = subprocess.run(command, capture_output=True, text=True, check=False)
            if result.returncode:
                self.app.display_warning(result.stderr.strip())
        build_data["artifacts"].append("videomem_hf/protocol/server/static/vendor/*")
