"""The media bridge: Twilio on one side, the model on the other, the conversation core between."""
