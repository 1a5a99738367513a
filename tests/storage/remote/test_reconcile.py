"""What Label Studio does without a word to the bucket is found by asking it."""

from __future__ import annotations

from tests.conftest import Lab


def test_a_star_that_another_star_took_away_is_gone(lab: Lab) -> None:
    first = lab.annotate("one", (0.1, 0.5, "walk"), ground_truth=True)
    second = lab.annotate("one", (0.1, 0.5, "run"))
    lab.sync()
    lab.project.studio.update_annotation(second, ground_truth=True)
    lab.sync()
    stars = {record["id"].partition("-")[0]: record["ground_truth"] for record in lab.labels()["one"]}
    assert stars == {str(first): False, str(second): True}
    assert lab.sync().commit == ""


def test_a_skipped_annotation_that_the_bucket_missed_is_healed(lab: Lab) -> None:
    made = lab.annotate("one", (0.1, 0.5, "walk"), was_cancelled=True)
    lab.sync()
    again = lab.annotate("one", (0.2, 0.5, "run"), was_cancelled=True)
    lab.project.bucket.delete([f"{lab.project.remote.annotations_prefix}{again}"])
    assert lab.sync().healed == 1
    assert sorted(int(r["id"].partition("-")[0]) for r in lab.labels()["one"]) == [made, again]
    assert all(record["was_cancelled"] for record in lab.labels()["one"])
    assert lab.sync().commit == ""
