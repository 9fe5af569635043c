"""The admin API's own description, and what is held against it."""

import jsonschema


class Description:
    def __init__(self, document: dict):
        self.document = document

    def operation(self, method: str, target: str) -> dict | None:
        """What describes this call; nothing: no call is described that has this path."""
        parts = target.split("?")[0].split("/")
        for pattern, operations in self.document["paths"].items():
            wanted = pattern.split("/")
            fits = [want.startswith("{") or want == part for want, part in zip(wanted, parts)]
            if len(wanted) == len(parts) and all(fits):
                return operations.get(method.lower())
        return None

    def check(self, schema: dict, value) -> None:
        whole = {**schema, "components": self.document["components"]}
        jsonschema.Draft202012Validator(whole).validate(value)

    def check_answer(self, method: str, target: str, status: int, value) -> None:
        operation = self.operation(method, target)
        assert operation, f"{method} {target} is not described"
        response = operation["responses"].get(str(status), operation["responses"]["default"])
        kind = "application/json" if str(status) in operation["responses"] else "application/problem+json"
        self.check(response["content"][kind]["schema"], value)
