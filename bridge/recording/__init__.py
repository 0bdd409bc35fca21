"""Recording calls: ``channels`` lays both sides where they were heard, ``tape`` writes, ``recorder`` does so beside live calls."""
