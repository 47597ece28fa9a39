"""Stage ``plan``: principles x traits x tensions x axes become briefs, one a document.

The plan is a stream. Brief *n* depends on the seed, the library and the briefs before it, never on how many are asked for: a longer
build extends the plan and changes nothing. Each recipe has its own stream, interleaved to the target mix.
"""

from builder.stages.plan.again import replanner
from builder.stages.plan.briefs import plan

__all__ = ["plan", "replanner"]
