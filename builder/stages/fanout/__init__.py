"""Stage ``fanout``: a planner's model divides the constitution into domains, sub-domains, assertions with their reasons, and ideas.

The generator yields the chains of one layer after another and is sent what came back; nothing here calls a model. Every cite is looked
for in the constitution, what says the same twice is dropped, and the tree says which principles its ideas reach and which they do not.
"""

from builder.stages.fanout.asking import asking
from builder.stages.fanout.layers import fanout
from builder.stages.fanout.rehearsal import Rehearsed, rehearse
from builder.stages.fanout.slots import planned
from builder.stages.fanout.tree import NEVER, Chain, Planner, Reply, Tree

__all__ = ["NEVER", "Chain", "Planner", "Rehearsed", "Reply", "Tree", "asking", "fanout", "planned", "rehearse"]
