"""``python -m builder.bench``: what this installation does on this machine, in seconds, memory and bytes.

    python -m builder.bench build --documents 200 --documents 10000
    python -m builder.bench generation --requests 3000 --concurrency 256
    python -m builder.bench dedup --documents 25000 --documents 100000
    python -m builder.bench contamination --documents 20000 --questions 50000
    python -m builder.bench.provider

The last is the simulated provider by itself: something to point a real SDK at without a key and without cost.
"""
