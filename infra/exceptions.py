"""Findings of cdk-nag that are meant: each is acknowledged at the resource it is about, with the reason."""

from aws_cdk import Acknowledgment, Validations
from constructs import IConstruct


def accept(construct: IConstruct, rule: str, reason: str) -> None:
    """Acknowledges one finding of cdk-nag's ``AwsSolutions``, for ``construct`` and what is in it."""
    Validations.of(construct).acknowledge(Acknowledgment(id=f"AwsSolutions-{rule}", reason=reason))
