"""What goes with the labels in a `git merge`: tasks, splits, recordings and the model."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.history_project import ONE, POINTER, TWO, Past, branched


@pytest.fixture
def past(tmp_path: Path) -> Past:
    return branched(tmp_path / "past")


def test_a_task_may_hold_what_python_takes_for_the_end_of_a_line(past: Past) -> None:
    odd = '{"data":{"note":"a\u2028b\u2029c\x85d"},"series":"b"}\n'
    past.write(tasks_jsonl=odd)
    past.save("tasks")
    past.git("branch", "--force", "walks")
    past.on_walks([ONE, TWO], tasks_jsonl='{"data":{},"series":"a"}\n' + odd)
    past.write(tasks_jsonl=odd + '{"data":{},"series":"c"}\n')
    past.label([ONE, TWO])
    status, said = past.merge_walks()
    assert (status, "data/tasks.jsonl: 1 line came in" in said) == (0, True)
    found = (past.root / "data/tasks.jsonl").read_text(encoding="utf-8")
    assert found == '{"data":{},"series":"a"}\n' + odd + '{"data":{},"series":"c"}\n'


def test_tasks_and_sets_merge_by_series(past: Past) -> None:
    header = "series,group,split\n"
    past.write(splits_csv=f"{header}b,p,train\nseries,q,test\n", tasks_jsonl='{"data":{},"series":"b"}\n')
    past.save("splits")
    past.git("branch", "--force", "walks")
    past.on_walks(
        [ONE, TWO],
        splits_csv=f'{header}"a,1",p,train\nb,p,train\nseries,q,test\n',
        tasks_jsonl='{"data":{},"series":"a,1"}\n{"data":{},"series":"b"}\n',
    )
    past.write(splits_csv=f"{header}b,p,train\nc,r,test\nseries,q,validation\n", tasks_jsonl="")
    past.label([ONE, TWO])
    assert past.merge_walks()[0] == 0
    texts = [
        (past.root / "data" / name).read_text(encoding="utf-8") for name in ("splits.csv", "tasks.jsonl")
    ]
    assert texts == [
        f'{header}"a,1",p,train\nb,p,train\nc,r,test\nseries,q,validation\n',
        '{"data":{},"series":"a,1"}\n',
    ]


def test_a_series_put_into_two_sets_and_a_divided_group_are_conflicts(past: Past) -> None:
    header = "series,group,split\n"
    past.write(splits_csv=f"{header}a,p,unassigned\n")
    past.save("splits")
    past.git("branch", "--force", "walks")
    past.on_walks([ONE, TWO], splits_csv=f"{header}a,p,train\n")
    past.write(splits_csv=f"{header}a,p,test\n")
    past.label([ONE, TWO])
    assert past.merge_walks()[0] == 1
    marked = f"{header}<<<<<<< ours\na,p,test\n=======\na,p,train\n>>>>>>> theirs\n"
    assert (past.root / "data/splits.csv").read_text(encoding="utf-8") == marked
    past.git("merge", "--abort")
    past.write(splits_csv=f"{header}a,p,unassigned\nb,p,test\n")
    past.save("another of the group")
    status, said = past.merge_walks()
    assert (status, "group 'p' is in two splits" in said) == (1, True)


def test_the_model_of_ours_stays_and_recordings_merge_by_file(past: Past) -> None:
    def series(*names: str) -> str:
        md5 = past.repository.cache.store({f"{name}.csv": name.encode() for name in names})
        return POINTER.format(md5=md5, size=sum(map(len, names)), files=len(names)).replace(
            "labels", "series"
        )

    past.write(series_dvc=series("b"))
    (past.root / "dvc.lock").write_text("stages: {}\n", encoding="utf-8")
    past.save("series")
    past.git("branch", "--force", "walks")
    past.git("switch", "--quiet", "walks")
    (past.root / "dvc.lock").write_text("stages: {x: {}}\n", encoding="utf-8")
    past.on_walks([ONE, TWO], series_dvc=series("a", "b"))
    (past.root / "dvc.lock").write_text("stages: {y: {}}\n", encoding="utf-8")
    past.write(series_dvc=series("b", "ccc"))
    past.label([ONE, TWO])
    status, said = past.merge_walks()
    assert (status, "data/series.dvc: +1 recordings came in" in said) == (0, True)
    assert (past.root / "data/series.dvc").read_text(encoding="utf-8") == series("a", "b", "ccc")
    assert (past.root / "dvc.lock").read_text(encoding="utf-8") == "stages: {y: {}}\n"
    assert "+a.csv  0cc175b9c0f1b6a831c399e269772661" in past.git("diff", "HEAD~1", "--", "data/series.dvc")
