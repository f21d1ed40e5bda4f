"""The graphs of a model in fewer bits, with ranks that agree with those in float32."""

import copy
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from videomem_hf.inference.export.checks import SAMPLE_CLIPS, check_rank_correlation, rank_correlation
from videomem_hf.inference.export.quantization import LEFT_OUT, quantize
from videomem_hf.inference.export.weights import reduce_weights, weight_groups
from videomem_hf.inference.onnx.facts import ExportFacts
from videomem_hf.inference.onnx.network import OnnxNetwork
from videomem_hf.models.export_names import MODEL_PART
from videomem_hf.schema import LEAST_RANK_CORRELATION

NEAR_RANK_CORRELATION: Final = 0.97
"""Of a network that computes in int8, below which its first and last layers in float32 would not be enough."""
WEIGHT_GROUPS: Final = 8
"""Groups of weights of which those that change ranks most in int8 are stored as float16, as many as it takes."""


@dataclass(frozen=True)
class Reduced:
    """Graphs by the names of their parts, what they are, and how well their ranks agree with those in float32."""

    protos: dict[str, Any]
    facts: ExportFacts
    agreement: float


@dataclass(frozen=True)
class Reduction:
    """Finds graphs in fewer bits.

    Attributes:
        protos: Graphs in float32 by the names of their parts; they stay as they are.
        facts: Of a model with `dtype` "float16" or "int8".
        full: The networks of `protos`.
        compared: Inputs, see `rank_correlation`.
        save: Writes graphs with their facts, and loads them.
        say: Called with what is being done.
    """

    protos: Mapping[str, Any]
    facts: ExportFacts
    full: OnnxNetwork
    compared: Mapping[str, np.ndarray]
    save: Callable[[dict[str, Any], ExportFacts], OnnxNetwork]
    say: Callable[[str], None]

    def computes(self, batches: Sequence[Mapping[str, np.ndarray]]) -> Reduced | None:
        """The model's graph computes in int8, with the ranges of these batches; None if that changes ranks."""
        facts = replace(self.facts, quantized=True)
        for first, last in LEFT_OUT:
            proto = quantize(self.protos[MODEL_PART], batches, first, last)
            found = self._measured({**self.protos, MODEL_PART: proto}, facts)
            if found.agreement >= LEAST_RANK_CORRELATION:
                return found
            self.say(f"ranks agree by {found.agreement:.4f} with {first} first and {last} last layers in float32")
            if found.agreement < NEAR_RANK_CORRELATION:
                break
        return None

    def stored(self) -> Reduced:
        """Weights alone have fewer bits; of "int8" those that change ranks most have 16, as many as it takes.

        How much rounding a weight changes ranks does not follow from the weight: in ResMem the first layers do so most,
        whose relative errors are small.

        Raises:
            InputError: It changes ranks as well.
        """
        dtype = self.facts.dtype
        self.say(f"comparing {dtype} with float32")
        found = self._with_weights()
        if dtype == "int8" and found.agreement < LEAST_RANK_CORRELATION:
            self.say(f"ranks agree by {found.agreement:.4f}; looking for the weights that 8 bits change most")
            groups = [set(group) for group in weight_groups(self.protos.values(), WEIGHT_GROUPS)]
            names = set().union(*groups)
            alone = [self._with_weights(names - group).agreement for group in groups]
            in_half: set[str] = set()
            for place in np.argsort(alone, kind="stable")[:-1]:
                in_half |= groups[place]
                found = self._with_weights(in_half)
                self.say(f"ranks agree by {found.agreement:.4f} with {len(in_half)} of {len(names)} weights in float16")
                if found.agreement >= LEAST_RANK_CORRELATION:
                    break
        check_rank_correlation(found.agreement, dtype, SAMPLE_CLIPS)
        return found

    def _with_weights(self, in_half: Collection[str] = ()) -> Reduced:
        """The weights have fewer bits, those named 16."""
        protos = {name: copy.deepcopy(proto) for name, proto in self.protos.items()}
        for proto in protos.values():
            reduce_weights(proto, self.facts.dtype, in_half)
        return self._measured(protos, replace(self.facts, dtype="int8 and float16") if in_half else self.facts)

    def _measured(self, protos: dict[str, Any], facts: ExportFacts) -> Reduced:
        return Reduced(protos, facts, rank_correlation(self.full, self.save(protos, facts), self.compared))
