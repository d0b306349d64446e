"""An ad broker to play with on the loopback: films of ffmpeg's own sources, VAST of all kinds."""
