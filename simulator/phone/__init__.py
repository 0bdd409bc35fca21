"""The phone: Twilio as a caller, a carrier and a REST API."""
