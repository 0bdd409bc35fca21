"""The conversation core: inputs and a time in, outputs back; no sockets, no clock, no asyncio."""
