"""What the benchmarks and the checks on real data share: building, measuring, the twin, a project."""
