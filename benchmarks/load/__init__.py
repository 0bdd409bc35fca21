"""Many calls at real time for little: both far ends of `frontdesk bench`, and what their notes say.

The simulator plays a phone and a model for what they say and do; it spends more on a call than the bridge. These know one script, and
write and read frames with as little work as Python allows, so that one core can load another.
"""
