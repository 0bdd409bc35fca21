"""The composition root: the ``frontdesk`` command, which wires the parts."""
