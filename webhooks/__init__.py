"""What Twilio asks over HTTP, answered with TwiML; and the adapters that serve the same handlers as Quart routes."""
