"""The program `videomem`, and `python -m videomem_hf`, which is the same."""

import sys

INTERRUPTED = 130
"""As in `videomem_hf.cli.exit_codes`, which cannot be imported yet."""


def main() -> None:
    """Run the command line; Ctrl-C ends it quietly also while its modules are imported."""
    try:
        from videomem_hf.cli import main as run

        run()
    except KeyboardInterrupt:
        sys.stderr.write("\nvideomem: interrupted\n")
        sys.exit(INTERRUPTED)


if __name__ == "__main__":
    main()
