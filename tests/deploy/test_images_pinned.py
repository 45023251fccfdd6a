"""Every third-party image is pinned by its digest, so that nobody can move its tag to another image."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.programs import ROOT

OWN = "payments"
"""The project's own image, which has no digest before it is built."""

PINNED = re.compile(r"[\w./-]+:[\w.-]+@sha256:[0-9a-f]{64}")


def images() -> Iterator[tuple[str, str]]:
    """Yield each image, after the file that names it."""
    dockerfile = (ROOT / "Dockerfile").read_text()
    stages = set(re.findall(r"^FROM .* AS (\w+)$", dockerfile, re.MULTILINE))
    for image in re.findall(r"^(?:FROM |COPY --from=)(\S+)", dockerfile, re.MULTILINE):
        if image not in stages:
            yield "Dockerfile", image
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    yield from (("docker-compose.yml", service["image"]) for service in compose.values())
    for path in sorted((ROOT / "deploy/kubernetes").rglob("*.yaml")):
        for document in yaml.safe_load_all(path.read_text()):
            yield from ((str(path.relative_to(ROOT)), image) for image in values(document, "image"))


def values(value: Any, key: str) -> Iterator[str]:  # noqa: ANN401 - YAML holds anything
    """Yield every string value of ``key``, at any depth."""
    if isinstance(value, dict):
        if isinstance(value.get(key), str):
            yield value[key]
        for part in value.values():
            yield from values(part, key)
    elif isinstance(value, list):
        for part in value:
            yield from values(part, key)


@pytest.mark.parametrize(("file", "image"), sorted(set(images())))
def test_each_image_is_pinned_by_its_digest(file: str, image: str) -> None:
    assert image == OWN or PINNED.fullmatch(image), file


def test_each_image_is_used_in_one_version() -> None:
    named = {image for _, image in images()}
    assert len({image.partition(":")[0] for image in named}) == len(named)


def test_every_file_that_names_images_is_checked() -> None:
    named = {Path(file).name for file, _ in images()}
    assert {"Dockerfile", "docker-compose.yml", "deployment.yaml", "migration-job.yaml"} <= named
