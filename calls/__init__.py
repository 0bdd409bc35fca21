"""What a call *is*: business profile, call record, call events, and where they are kept and shared.

Every other part imports this one; this one imports no other part.
"""
