"""The catalogue of known mistakes, in the order in which they are preferred where several predict the same numbers."""

from collections.abc import Mapping

from verifier.diagnosis.mlp.catalogue.clipping import CLIPPING_FAULTS
from verifier.diagnosis.mlp.catalogue.factors import FACTOR_FAULTS
from verifier.diagnosis.mlp.catalogue.hidden import HIDDEN_FAULTS
from verifier.diagnosis.mlp.catalogue.output import OUTPUT_FAULTS
from verifier.diagnosis.mlp.catalogue.products import PRODUCT_FAULTS
from verifier.diagnosis.mlp.catalogue.slopes import slope_faults
from verifier.diagnosis.mlp.catalogue.whole import FORWARD_FAULTS, PATTERNS, PENALTY_FAULTS
from verifier.diagnosis.mlp.variation import Fault

# What replaces a piece stands before what only scales it: where two faults meet in one piece, both then show.
FAULTS: tuple[Fault, ...] = (
    *FORWARD_FAULTS,
    *OUTPUT_FAULTS,
    *slope_faults(),
    *(fault for fault in HIDDEN_FAULTS if fault.kind != "updated"),
    *PRODUCT_FAULTS,
    *(fault for fault in HIDDEN_FAULTS if fault.kind == "updated"),  # these step by the weight gradients, wrong ones too
    *FACTOR_FAULTS,
    *PENALTY_FAULTS,
    *CLIPPING_FAULTS,
    *PATTERNS,
)
BY_ID: Mapping[str, Fault] = {fault.id: fault for fault in FAULTS}
PREDICTING: tuple[Fault, ...] = tuple(fault for fault in FAULTS if not fault.pattern)
