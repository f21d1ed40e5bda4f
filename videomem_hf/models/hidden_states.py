"""Hidden states: what chosen modules of a network give, recorded while it runs."""

import threading
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import nn


class StateRecorder:
    """A forward hook that records what modules give, in the order of their calls, for the thread that asks.

    Unlike hooks that are registered for a call and removed after it, it is compiled, copied and pickled with the model.
    """

    def __init__(self) -> None:
        self._records: dict[int, list[torch.Tensor]] = {}

    def watch(self, modules: Iterable[nn.Module]) -> None:
        """Record what these modules give, from now on."""
        for module in modules:
            module.register_forward_hook(self)

    def __call__(self, module: nn.Module, inputs: Any, output: Any) -> None:
        if (record := self._records.get(_thread())) is not None:
            record.append(output[0] if isinstance(output, tuple) else output)

    def is_recording(self) -> bool:
        """Whether the thread asks for what the modules give."""
        return _thread() in self._records

    def record(
        self, compute: Callable[..., Any], *args: Any, asked: bool = True
    ) -> tuple[Any, tuple[torch.Tensor, ...] | None]:
        """Call a function; returns its result and what the modules gave meanwhile, or None if it is not asked for."""
        if not asked:
            return compute(*args), None
        record: list[torch.Tensor] = []
        self._records[_thread()] = record
        try:
            return compute(*args), tuple(record)
        finally:
            del self._records[_thread()]


def _thread() -> int:
    return 0 if torch.compiler.is_compiling() else threading.get_ident()
