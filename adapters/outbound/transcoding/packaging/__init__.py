"""One set of CMAF segments (ISO/IEC 23000-19), with HLS playlists and a DASH manifest over it."""
