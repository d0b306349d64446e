"""The port ``Transcoder`` on AWS Elemental MediaConvert."""
