"""The image: what builds it, what asks after its health, and a trial of both without a container engine."""
