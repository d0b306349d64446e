"""The measurements behind ``docs/benchmarks.md``: ``make bench``. Nothing here is a test."""
