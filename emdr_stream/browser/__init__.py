"""What a browser is served: the library `emdr-stream-client` and the pages; plain files, no build step."""
