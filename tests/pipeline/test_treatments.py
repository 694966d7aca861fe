"""What was done to each image is kept, once for all that were treated alike."""

import json

from sendit.terms import Status
from tests.support.installation import Installation


def test_images_that_were_treated_alike_share_a_treatment(installation: Installation) -> None:
    installation.add_study("ACC-CANARY-1", n_series=2, n_images=3)
    done = installation.run("run", "--once")
    assert done.returncode == 0, done.stderr
    asked = """
import django, json
django.setup()
from sendit.records.models import Image, Treatment
print(json.dumps({
    "images": [image.report["treatment"] for image in Image.objects.all()],
    "kept": dict(Treatment.objects.values_list("pk", "elements")),
    "states": list(Image.objects.values_list("status", flat=True)),
}))
"""
    told = json.loads(installation.python(asked))

    assert told["states"] == [Status.DONE] * 6
    assert len(told["images"]) == 6
    assert set(told["images"]) == set(told["kept"])
    assert len(told["kept"]) <= 2
    elements = next(iter(told["kept"].values()))
    assert ["(0010,0010)", "Z", "basic", 1] in elements
    assert "CANARY" not in json.dumps(told)
