"""How fast and how exact the bridge is, measured on this machine between a simulated phone and a simulated model.

Run ``python -m benchmarks.greeting`` and ``python -m benchmarks.turns_and_cuts``; docs/measurements.md says what they measure.
"""
