"""Work cut into ranks, as pure functions over a folder that every machine sees.

    job.json                  what is to be done, and a hash of it
    <stage>/<rank>/           what one rank of one stage made: files, then manifest.json; whole or absent
    <stage>/<rank>.failed     why it could not, in the words for the person who started it

    perform(folder, stage, rank)     the one thing an engine calls, anywhere, any number of times, in any order within a stage

A stage may start when every rank of the one before it is done. A rank whose manifest stands is not done again, so a run that lost a
machine, or was killed, goes on where it was; a folder of another job is refused. An engine (``builder/engines``) only decides where and
when ranks run: neither it nor the number of machines has a say in a single byte of the result.
"""

from builder.sharded.job import Job, Unit, cut
from builder.sharded.perform import Stage, Step, Work, begin, begun, failure, perform, steps

__all__ = ["Job", "Stage", "Step", "Unit", "Work", "begin", "begun", "cut", "failure", "perform", "steps"]
