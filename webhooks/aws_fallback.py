"""``/fallback`` as a Lambda function of its own: what Twilio asks when the others could not answer (``VoiceFallbackUrl``).

It needs nothing at all, neither settings nor a store nor a library nor the rest of this project: what kept them from answering would be
in its way too. So it cannot tell one business from another either, and says the one sentence in English.
"""

SENTENCE = "We're sorry, we can't take your call right now. Please call again later. Goodbye."

TWIML = f"""<?xml version="1.0" encoding="UTF-8"?><Response><Say language="en-US">{SENTENCE}</Say><Hangup /></Response>"""


def handler(_event: object = None, _context: object = None) -> dict[str, object]:
    """Says that the call cannot be answered and hangs up, whatever is asked. Payload format 2.0."""
    return {
        "statusCode": 200,
        "headers": {"content-type": "text/xml; charset=utf-8"},
        "body": TWIML,
        "isBase64Encoded": False,
    }
