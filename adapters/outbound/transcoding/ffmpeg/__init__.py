"""ffmpeg: its arguments, the bounded process, and a render from the film to the finished files."""
