"""The video library: every recording and upload as a title that can be found, watched, kept and thrown away."""
