"""Templates to look at. ``scripts/check-infra`` makes them, with an environment of its own, and says where they are."""

import os
from pathlib import Path

import pytest

from tests.infra.templates import Deployment


def _made(folder: str, name: str) -> Deployment:
    templates = os.environ.get("FRONTDESK_TEMPLATES")
    if not templates:
        pytest.skip("scripts/check-infra makes the templates and runs this")
    return Deployment(Path(templates, folder), name)


@pytest.fixture(scope="session")
def least() -> Deployment:
    """The deployment of ``least.toml``: all defaults."""
    return _made("least", "frontdesk")


@pytest.fixture(scope="session")
def most() -> Deployment:
    """The deployment of ``most.toml``: everything chosen."""
    return _made("most", "reception")


@pytest.fixture(params=["least", "most"])
def either(request: pytest.FixtureRequest) -> Deployment:
    """One after the other."""
    deployment: Deployment = request.getfixturevalue(request.param)
    return deployment
