"""The webhooks as one AWS Lambda function, behind an HTTP API of API Gateway or a Function URL.

Importing this module is what Lambda waits for as *init*; a setting that cannot be used ends it, and with it a deployment.
See ``docs/how-to/run-the-webhooks-on-lambda.md``.
"""

import os
from importlib import import_module
from typing import Any

from webhooks.aws_service import WebhookService
from webhooks.aws_settings import read_settings


def handler(event: object, context: Any) -> dict[str, Any]:
    """Answers one event of payload format 2.0. Never raises."""
    return _service.answer(event, getattr(context, "aws_request_id", None))


def _started() -> WebhookService:
    service = WebhookService(read_settings(os.environ))
    service.prepare()
    if os.environ.get("AWS_LAMBDA_INITIALIZATION_TYPE") == "snap-start":
        # Of the runtime, not ours: it is there where this is true.
        import_module("snapshot_restore_py").register_after_restore(service.connect)
    else:
        service.connect()
    return service


_service = _started()
