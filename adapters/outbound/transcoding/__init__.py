"""The transcoder of one machine: ffmpeg called as a program, and what packages its output."""
