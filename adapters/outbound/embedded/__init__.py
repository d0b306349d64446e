"""The parts that stand in for AWS and Redis on one machine, as programs to be run."""
