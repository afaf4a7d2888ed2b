"""Videos (`videos`), addresses to play them (`playback`), views and positions (`watching`), keeping (`retention`)."""
