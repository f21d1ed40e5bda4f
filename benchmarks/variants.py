"""Number formats and memory layouts that the benchmarks compare."""

from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import torch


@dataclass(frozen=True)
class Variant:
    """A number format and a memory layout."""

    name: str
    dtype: torch.dtype = torch.float32
    tf32: bool = False
    channels_last: bool = False
    compiled: bool = False

    @property
    def peak_name(self) -> str:
        """The number format in which matrix products are this variant's limit."""
        if self.dtype == torch.bfloat16:
            return "bfloat16"
        return "TF32" if self.tf32 else "float32"

    def autocast(self, device: str) -> AbstractContextManager[Any]:
        """Computes in the number format; changes nothing for float32."""
        return torch.autocast(torch.device(device).type, self.dtype, enabled=self.dtype != torch.float32)

    def lay_out(self, model: Any, is_3d: bool) -> Any:
        """Bring a model's weights to the memory layout, and allow TF32 or not."""
        allow_tf32(self.tf32)
        if not self.channels_last:
            return model
        return model.to(memory_format=torch.channels_last_3d if is_3d else torch.channels_last)


VARIANTS = (
    Variant("float32"),
    Variant("TF32", tf32=True),
    Variant("bfloat16", torch.bfloat16, tf32=True),
    Variant("bfloat16, channels last", torch.bfloat16, tf32=True, channels_last=True),
    Variant("bfloat16, channels last, compiled", torch.bfloat16, tf32=True, channels_last=True, compiled=True),
)


def allow_tf32(allowed: bool) -> None:
    """Whether float32 products and convolutions may round their inputs to TF32."""
    torch.backends.cuda.matmul.allow_tf32 = allowed
    torch.backends.cudnn.allow_tf32 = allowed
