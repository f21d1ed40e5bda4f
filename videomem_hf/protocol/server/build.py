"""Fetches the page's JavaScript libraries, jsPsych and its plugins, from npm into `static/vendor`.

    python -m videomem_hf.protocol.server.build

`page/package-lock.json` pins versions and checksums. Building the wheel runs this too (`build_hook`), so it imports
nothing but the standard library.
"""

import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

_HERE = Path(__file__).resolve().parent
VENDOR = _HERE / "static" / "vendor"
_PLUGINS = ("browser-check", "fullscreen", "html-button-response", "html-keyboard-response", "instructions")
_FILES = {
    "jspsych.js": "jspsych/dist/index.browser.min.js",
    "jspsych.css": "jspsych/css/jspsych.css",
    **{f"{plugin}.js": f"@jspsych/plugin-{plugin}/dist/index.browser.min.js" for plugin in _PLUGINS},
}
_TIMEOUT_S = 180


class BuildError(Exception):
    """The libraries could not be fetched; the message says why and what to do."""


def fetch_libraries() -> Path:
    """Fetch the libraries into a new folder and return it; a BuildError if Node.js is missing or npm fails."""
    npm = shutil.which("npm")
    if npm is None:
        raise BuildError("npm is not on the PATH; install Node.js 18 or later, then run this again.")
    with tempfile.TemporaryDirectory() as work:
        for name in ("package.json", "package-lock.json"):
            shutil.copy(_HERE / "page" / name, work)
        command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--fetch-retries=1"]
        try:
            result = subprocess.run(command, cwd=work, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False)
        except subprocess.TimeoutExpired:
            raise BuildError(f"npm did not finish in {_TIMEOUT_S} s; check the network, then run this again.") from None
        if result.returncode:
            lines = [line for line in result.stderr.splitlines() if "error" in line.lower()]
            raise BuildError(f"npm failed: {' '.join(lines[:3]) or result.stderr[-300:]}")
        _collect(Path(work) / "node_modules")
    return VENDOR


def _collect(modules: Path) -> None:
    fresh = VENDOR.with_name("vendor.new")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    for name, source in _FILES.items():
        shutil.copyfile(modules / source, fresh / name)
        if name.endswith(".js"):
            text = (fresh / name).read_text(encoding="utf-8")
            kept = [line for line in text.splitlines() if not line.startswith("//# sourceMappingURL=")]
            (fresh / name).write_text("\n".join(kept) + "\n", encoding="utf-8")
    (fresh / "LICENSES.txt").write_text(_licenses(modules), encoding="utf-8")
    shutil.rmtree(VENDOR, ignore_errors=True)
    fresh.rename(VENDOR)


def _licenses(modules: Path) -> str:
    """Name, version, licence and authors of each package."""
    lines = ["The files in this folder are parts of these packages of the npm registry:", ""]
    for path in sorted([*modules.glob("*/package.json"), *modules.glob("@*/*/package.json")]):
        package = json.loads(path.read_text(encoding="utf-8"))
        author = package.get("author", "")
        author = author.get("name", "") if isinstance(author, dict) else author
        facts = (f"{package['name']} {package['version']}", package.get("license", "no licence"), author)
        lines.append(", ".join(fact for fact in facts if fact))
        texts = [file for file in sorted(path.parent.iterdir()) if file.name.lower().startswith("licen")]
        lines += [text.read_text(encoding="utf-8") for text in texts]
    return "\n".join(lines) + "\n"


def main() -> int:
    """Run from the command line or the build hook; returns the exit status."""
    try:
        sys.stdout.write(f"{fetch_libraries()}\n")
    except BuildError as error:
        sys.stderr.write(f"The study's page is not built: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
