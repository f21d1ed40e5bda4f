"""`python -m videomem_hf` is `videomem`."""

from videomem_hf.cli import main

main()
