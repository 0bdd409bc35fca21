"""What the REST API answers when it says no (Twilio, *Error and Warning Dictionary*)."""

from typing import Any


class Refused(Exception):
    """A request is not done. ``str()`` is Twilio's sentence."""

    def __init__(self, status: int, code: int, message: str) -> None:
        self.status, self.code = status, code
        super().__init__(message)

    def json(self) -> dict[str, Any]:
        """The answer's body."""
        return {
            "code": self.code,
            "message": str(self),
            "more_info": f"https://www.twilio.com/docs/errors/{self.code}",
            "status": self.status,
        }


def not_found(path: str) -> Refused:
    """There is nothing at ``path``."""
    return Refused(404, 20404, f"The requested resource {path} was not found")
