"""Stage ``write``: briefs become requests, answers become documents. What a model is told is rendered here, and nowhere else."""

from builder.stages.write.asking import Kitchen
from builder.stages.write.blind import reading
from builder.stages.write.making import Made, making, preflight, rendered

__all__ = ["Kitchen", "Made", "making", "preflight", "reading", "rendered"]
