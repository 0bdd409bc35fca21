"""One file, one webhook: ``handler(context, event)``, the shape of a Twilio Function."""
