"""Plans that once failed, shrunk, by what they found. Each stays as a regression test."""

from tests.simulation.plan import Plan

KEPT: dict[str, Plan] = {}
