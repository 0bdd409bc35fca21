"""The CDK app: reads the deployment, describes its stacks, has them checked. ``python -m infra.app``; ``make deploy`` runs it.

Environment: ``DEPLOYMENT``, the file of settings; ``BUNDLE``, the webhooks' zip file or folder, which ``scripts/build-lambda`` makes.
"""

import json
import os
import sys
from pathlib import Path

from aws_cdk import App, Environment, Tags, Validations
from cdk_nag import AwsSolutionsChecks

from infra.bus import Bus
from infra.data import Data
from infra.media import Media
from infra.network import Network
from infra.observation import Observation
from infra.settings import Settings, SettingsError, read_settings
from infra.webhooks import Webhooks

HERE = Path(__file__).parent


def describe(app: App, settings: Settings, bundle: Path) -> None:
    """Adds all stacks of a deployment to the app."""

    def of(stack: str) -> str:
        return f"{settings.name}-{stack}"

    where = Environment(region=settings.region)
    network = Network(app, of("network"), settings, env=where)
    bus = Bus(app, of("bus"), settings, network, env=where)
    data = Data(app, of("data"), settings, env=where)
    webhooks = Webhooks(app, of("webhooks"), settings, data, bundle, env=where)
    media = Media(app, of("media"), settings, network=network, bus=bus, data=data, webhooks=webhooks, env=where)
    Observation(app, of("observation"), settings, data=data, webhooks=webhooks, media=media, env=where)
    Tags.of(app).add("service", settings.name)
    Validations.of(app).add_plugins(AwsSolutionsChecks(app, verbose=True))


def main() -> int:
    """Writes the templates to where the CDK wants them. Returns the exit code."""
    bundle = Path(os.environ.get("BUNDLE") or HERE.parent / "build" / "lambda" / "lambda.zip")
    try:
        settings = read_settings(Path(os.environ.get("DEPLOYMENT") or HERE / "deployment.toml"))
        if not bundle.exists():
            raise SettingsError(f"{bundle} is missing; scripts/build-lambda makes it, or name another in BUNDLE.")
    except SettingsError as error:
        print(f"infra: {error}", file=sys.stderr)  # noqa: T201
        return 2
    app = App(context=json.loads((HERE / "cdk.json").read_text("utf-8"))["context"])
    describe(app, settings, bundle)
    app.synth()
    return 0


if __name__ == "__main__":
    sys.exit(main())
