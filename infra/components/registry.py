"""Where the bridge's image is pushed to: a repository of ECR that keeps the last ones."""

import json

import pulumi
import pulumi_aws as aws

KEEP_IMAGES = 20
"""So many versions can be gone back to."""


class Registry(pulumi.ComponentResource):
    """`repository`: tags in it cannot be moved."""

    def __init__(self, name: str) -> None:
        super().__init__("audiobridge:index:Registry", name)
        child = pulumi.ResourceOptions(parent=self)
        self.repository = aws.ecr.Repository(
            "bridge",
            image_tag_mutability="IMMUTABLE",
            image_scanning_configuration={"scan_on_push": True},
            opts=child,
        )
        rule = {
            "rulePriority": 1,
            "description": f"the last {KEEP_IMAGES}",
            "selection": {
                "tagStatus": "any",
                "countType": "imageCountMoreThan",
                "countNumber": KEEP_IMAGES,
            },
            "action": {"type": "expire"},
        }
        aws.ecr.LifecyclePolicy(
            "bridge",
            repository=self.repository.name,
            policy=json.dumps({"rules": [rule]}),
            opts=child,
        )
        self.register_outputs({})
