"""Everything that touches the outside, cut by technology."""
