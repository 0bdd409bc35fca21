"""The model: a server that speaks the GA Realtime protocol, with a scripted mind and eSpeak NG for a voice."""
