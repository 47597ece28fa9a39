"""Pure transforms, one file a stage; no stage imports another. Records in, iterator out: no path, clock, print or
global."""
