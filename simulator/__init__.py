"""Both far ends of a call, for demos, rehearsals, tests and benchmarks: a phone line that behaves as Twilio does and a model
that speaks the Realtime protocol. Nothing here knows how the bridge works inside."""
