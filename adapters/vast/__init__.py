"""Ad documents of the IAB: VAST and VMAP in, VAST, VMAP and HLS asset lists out."""
