"""WebSocket frames of the media path, read and written with as little work as Python allows, beneath a server that does the rest."""
