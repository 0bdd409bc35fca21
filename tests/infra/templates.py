"""Templates of CloudFormation, as the CDK has written them."""

import json
from pathlib import Path
from typing import Any

Json = dict[str, Any]


class Template:
    """The template of one stack."""

    def __init__(self, path: Path) -> None:
        self.text = path.read_text("utf-8")
        whole: Json = json.loads(self.text)
        self._resources: dict[str, Json] = whole["Resources"]
        self.outputs: Json = whole.get("Outputs", {})

    def resources(self, kind: str) -> dict[str, Json]:
        """All of one type, ``AWS::S3::Bucket`` for example, by logical id."""
        return {id: resource for id, resource in self._resources.items() if resource["Type"] == kind}

    def all(self, kind: str) -> list[Json]:
        """The properties of all of one type."""
        return [resource.get("Properties", {}) for resource in self.resources(kind).values()]

    def one(self, kind: str, begins: str = "") -> Json:
        """The properties of the only one of its type, or the only one whose logical id begins so."""
        found = [resource for id, resource in self.resources(kind).items() if id.startswith(begins)]
        assert len(found) == 1, f"{len(found)} of {kind}"
        return dict(found[0].get("Properties", {}))

    def statements(self, begins: str) -> list[Json]:
        """What the policies whose logical id begins so allow."""
        documents = [
            policy["Properties"]["PolicyDocument"]
            for id, policy in self.resources("AWS::IAM::Policy").items()
            if id.startswith(begins)
        ]
        assert documents, f"no policy begins with {begins}"
        return [statement for document in documents for statement in document["Statement"]]


class Deployment:
    """The templates of all stacks of a deployment in a folder."""

    def __init__(self, folder: Path, name: str) -> None:
        self._folder, self.name = folder, name

    def stack(self, name: str) -> Template:
        """One of them: ``network``, ``bus``, ``data``, ``webhooks``, ``media`` or ``observation``."""
        return Template(self._folder / f"{self.name}-{name}.template.json")

    def all(self) -> list[Template]:
        """Every one of them."""
        return [Template(path) for path in sorted(self._folder.glob("*.template.json"))]


def attributes(pairs: list[Json]) -> dict[str, str]:
    """Attributes of a load balancer or a target group."""
    return {pair["Key"]: pair["Value"] for pair in pairs}


def actions(statements: list[Json]) -> set[str]:
    """The actions that are allowed."""
    named = [statement["Action"] for statement in statements if statement["Effect"] == "Allow"]
    return {action for one in named for action in ([one] if isinstance(one, str) else one)}
