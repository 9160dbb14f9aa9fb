"""Application services: one module per use case, one transaction per call where possible.

A service loads values, lets the pure packages (`consent`, `relay`, `evidence`, `tokens`) decide,
stores the result and records an event. Services know nothing of HTTP or the command line.
"""
