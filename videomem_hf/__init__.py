"""Video memorability the Hugging Face way."""

__version__ = "0.1.0.dev0"

from videomem_hf import registration

registration.register()
