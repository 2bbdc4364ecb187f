"""`emdr-stream models` on a real PostgreSQL and a real folder: steps, refusals, and what the audit log has of them."""

import asyncio
import hashlib
import json
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any, TypeAlias

import asyncpg
import onnx
import pytest
from onnx import TensorProto

from emdr_stream.__main__ import main
from emdr_stream.inference.manifest import current_versions
from tests.angry_reader import write_angry_reader
from tests.contract.own_database import own_database
from tests.good_figures import figures
from tests.stores_process import RunningStores
from tests.system.plain_model import write_plain_model
from tests.tiny_graph import write_graph
from tests.tiny_model import write_manifest

pytestmark = [pytest.mark.anyio, pytest.mark.integration]

NAME = "emotion_safety"
SIGNED = ("--sign-off", "Ada Byron, clinical lead", "--reason", "it finds more and alarms less")
Outcome: TypeAlias = tuple[int, str, str]
Models: TypeAlias = Callable[..., Awaitable[Outcome]]


def externalise(folder: Path) -> None:
    """Weights outside of the file, and a manifest that vouches for it."""
    model = onnx.load_from_string((folder / "model.onnx").read_bytes())
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="weights.bin")
    data = model.SerializeToString()
    (folder / "model.onnx").write_bytes(data)
    manifest = json.loads((folder / "manifest.json").read_text())
    write_manifest(folder, {**manifest, "sha256": hashlib.sha256(data).hexdigest()})


def rename(folder: Path) -> None:
    manifest = json.loads((folder / "manifest.json").read_text())
    write_manifest(folder, {**manifest, "name": "other"})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Version 1, in use, misses a target; 2 reaches all; 3 is worse; 4 misses less than 1."""
    models = tmp_path / "models"
    write_plain_model(models, "1", metrics=figures(iid__sensitivity=0.61))
    write_plain_model(models, "2", metrics=figures())
    write_plain_model(models, "3", metrics=figures(iid__sensitivity=0.40, iid__false_alarms_per_hour=4.0))
    write_plain_model(models, "4", metrics=figures(iid__sensitivity=0.75))
    return models


@pytest.fixture
async def url(stores: RunningStores, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> AsyncIterator[str]:
    for name in [name for name in os.environ if name.upper().startswith("EMDR_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    async with own_database(stores.database_url) as address:
        monkeypatch.setenv("EMDR_DATABASE_URL", address)
        yield address


@pytest.fixture
def models(url: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> Models:
    """Runs `emdr-stream models …` on the folder; gives exit status, stdout and stderr."""

    async def run(action: str, *arguments: str) -> Outcome:
        code = await asyncio.to_thread(main, ["models", action, *arguments, "--models", str(folder)])
        out, err = capsys.readouterr()
        return code, out, err

    return run


async def audited(url: str) -> list[dict[str, Any]]:
    connection = await asyncpg.connect(url)
    try:
        return [json.loads(row["body"]) for row in await connection.fetch("select body from audit_log order by id")]
    finally:
        await connection.close()


async def events(url: str) -> list[tuple[str, str, str]]:
    connection = await asyncpg.connect(url)
    try:
        found = await connection.fetch("select model, version, event from model_events order by id")
        return [tuple(row) for row in found]
    finally:
        await connection.close()


async def test_a_safety_model_is_promoted_by_a_person_and_the_audit_log_holds_who_and_why(
    models: Models, url: str, folder: Path
) -> None:
    code, out, _ = await models("promote", NAME, "2", *SIGNED)
    assert (code, current_versions(folder)) == (0, {NAME: "2"})
    assert "is in use from now on (every target is reached)" in out and "SIGUSR1" in out
    (entry,) = await audited(url)
    assert (entry["action"], entry["version"], entry["former"]) == ("model.promote", "2", "1")
    assert (entry["by"], entry["reason"]) == ("Ada Byron, clinical lead", "it finds more and alarms less")
    assert entry["sha256"] == json.loads((folder / NAME / "2" / "manifest.json").read_text())["sha256"]
    assert await events(url) == [(NAME, "2", "promote")]
    assert await asyncio.to_thread(main, ["audit", "verify"]) == 0


async def test_a_folder_that_cannot_be_written_leaves_no_promotion_in_the_audit_log(
    models: Models, url: str, folder: Path
) -> None:
    # The log was told first: of a read-only folder it held a signed promotion that never came about.
    assert (await models("shadow", NAME, "3"))[0] == 0
    (folder / ".current.json.new").mkdir()
    code, _, err = await models("promote", NAME, "2", *SIGNED)
    assert code == 2 and "cannot be changed" in err
    assert [entry["action"] for entry in await audited(url)] == ["model.shadow"]
    assert current_versions(folder) == {NAME: "1"}


async def test_without_a_signature_nothing_is_promoted(models: Models, url: str, folder: Path) -> None:
    code, out, _ = await models("promote", NAME, "2")
    assert (code, current_versions(folder)) == (1, {NAME: "1"})
    assert "--sign-off" in out
    assert "audit_log" not in str(await tables(url))


async def tables(url: str) -> list[str]:
    connection = await asyncpg.connect(url)
    try:
        return [row[0] for row in await connection.fetch("select tablename from pg_tables where schemaname = 'public'")]
    finally:
        await connection.close()


async def test_a_worse_version_is_refused_with_the_reasons_whoever_signs(models: Models, folder: Path) -> None:
    code, out, _ = await models("promote", NAME, "3", *SIGNED)
    assert (code, current_versions(folder)) == (1, {NAME: "1"})
    assert "families trained on, unseen persons: share of events found: 0.4" in out
    assert "families trained on, unseen persons: false alarms an hour: 4 is worse than 1 at present" in out


async def test_one_that_is_better_and_still_below_a_target_is_promoted_and_the_list_says_what_it_misses(
    models: Models, url: str
) -> None:
    assert (await models("promote", NAME, "4", *SIGNED))[0] == 0
    (entry,) = await audited(url)
    assert entry["missed"] == ["iid.sensitivity"]
    _, out, _ = await models("list")
    assert "signed for by Ada Byron, clinical lead: better than the present version" in " ".join(out.split())
    assert (
        "emotion_safety 4 (in use) misses:\n  - families trained on, unseen persons: share of events found: 0.75" in out
    )


async def test_a_deviation_is_signed_for_by_name_and_told_everywhere(models: Models, url: str) -> None:
    named = ("--despite", "iid.sensitivity", "--despite", "iid.false_alarms_per_hour")
    code, out, err = await models("promote", NAME, "3", *SIGNED, *named)
    assert (code, out) == (2, "") and "--because" in err
    code, _, _ = await models(
        "promote", NAME, "3", *SIGNED, *named, "--because", "a trial with two therapists in the room"
    )
    assert code == 0
    (entry,) = await audited(url)
    assert entry["despite"] == ["iid.sensitivity", "iid.false_alarms_per_hour"]
    assert entry["because"] == "a trial with two therapists in the room"
    listed = json.loads((await models("list", "--json"))[1])
    assert next(each for each in listed if each["version"] == "3")["accepted"].endswith(
        "deviation: iid.false_alarms_per_hour, iid.sensitivity"
    )


async def test_one_command_goes_back_and_again_forward_needs_a_signature(
    models: Models, url: str, folder: Path
) -> None:
    await models("promote", NAME, "2", *SIGNED)
    code, out, _ = await models("rollback", NAME, "--reason", "two false pauses")
    assert (code, current_versions(folder)) == (0, {NAME: "1"})
    assert "emotion_safety 1 is in use again, in place of 2" in out
    assert [(entry["action"], entry["reason"]) for entry in await audited(url)][1] == (
        "model.rollback",
        "two false pauses",
    )
    code, _, err = await models("rollback", NAME)
    assert code == 2 and "knows no version before 1" in err
    assert (await models("promote", NAME, "2"))[0] == 1


async def test_no_signature_counts_that_the_audit_log_does_not_hold(
    models: Models, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EMDR_DATABASE_URL", "postgresql://nobody@127.0.0.1:1/nowhere")
    code, out, _ = await models("promote", NAME, "2", *SIGNED)
    assert (code, current_versions(folder)) == (1, {NAME: "1"})
    assert "the audit log cannot be reached" in out and "EMDR_DATABASE_URL" in out
    assert not (folder / "history.jsonl").exists()


async def test_a_rollback_waits_for_no_database_and_the_next_step_tells_it(
    models: Models, url: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await models("promote", NAME, "2", *SIGNED)
    with monkeypatch.context() as away:
        away.setenv("EMDR_DATABASE_URL", "postgresql://nobody@127.0.0.1:1/nowhere")
        code, out, _ = await models("rollback", NAME)
        assert (code, current_versions(folder)) == (0, {NAME: "1"})
        assert "the next step of `models` that can tells it of this one" in out
        assert "1 of the steps here are not in the audit log yet" in (await models("list"))[1]
    await models("shadow", NAME, "4")
    assert [entry["action"] for entry in await audited(url)] == ["model.promote", "model.rollback", "model.shadow"]


@pytest.mark.parametrize("action", ["promote", "verify", "shadow"])
@pytest.mark.parametrize(
    ("spoil", "named"),
    [
        (lambda folder: (folder / "model.onnx").write_bytes(b"something else"), "checksum"),
        (externalise, "external data"),
        (lambda folder: write_manifest(folder, {"name": NAME}), "manifest.json is malformed"),
        (rename, "is of other 2"),
    ],
)
async def test_a_file_that_is_not_what_it_should_be_is_refused_with_the_reason(
    models: Models, folder: Path, action: str, spoil: Callable[[Path], object], named: str
) -> None:
    spoil(folder / NAME / "2")
    code, out, err = await (
        models("verify") if action == "verify" else models(action, NAME, "2", *(SIGNED if action == "promote" else ()))
    )
    assert code != 0
    assert named in " ".join((out + err).split())
    assert current_versions(folder) == {NAME: "1"}
    assert not (folder / "trials.json").exists()


async def test_trials_are_begun_ended_and_never_of_a_safety_models_share(
    models: Models, url: str, folder: Path
) -> None:
    code, _, err = await models("share", NAME, "2", "10%")
    assert code == 2 and "nobody's safety depends on a draw" in err
    code, _, err = await models("shadow", "effectiveness", "2")
    assert code == 2 and "only emotion_safety can run as a shadow" in err and "models share" in err
    code, _, err = await models("shadow", NAME, "1")
    assert code == 2 and "is the version in use" in err
    code, _, err = await models("shadow", NAME, "9")
    assert code == 2 and "no version 9 of emotion_safety (there: 1, 2, 3, 4)" in err
    assert (await models("shadow", NAME, "2"))[0] == 0
    assert json.loads((folder / "trials.json").read_text()) == {NAME: {"shadow": "2"}}
    assert "emotion_safety 2 shadow" in " ".join((await models("list"))[1].split())
    assert (await models("shadow", NAME, "off"))[0] == 0
    assert json.loads((folder / "trials.json").read_text()) == {}
    assert [event for _, _, event in await events(url)] == ["shadow", "shadow"]


async def test_a_share_of_another_model_is_noted_and_ended(models: Models, url: str, folder: Path) -> None:
    for version in ("1", "2"):
        write_graph(folder, "effectiveness", version)
    (folder / "current.json").write_text(json.dumps({NAME: "1", "effectiveness": "1"}))
    assert (await models("share", "effectiveness", "2", "12.5%"))[0] == 0
    assert json.loads((folder / "trials.json").read_text()) == {
        "effectiveness": {"share": {"version": "2", "share": 0.125}}
    }
    assert "effectiveness 2 share 12.5%" in " ".join((await models("list"))[1].split())
    assert (await models("share", "effectiveness", "2", "off"))[0] == 0
    assert [(entry["action"], entry.get("share")) for entry in await audited(url)] == [
        ("model.share", 0.125),
        ("model.share", None),
    ]


async def test_the_model_of_pictures_has_a_share_and_is_promoted_and_withdrawn_as_others_are(
    models: Models, folder: Path
) -> None:
    for version in ("1", "2"):
        write_angry_reader(folder, version)
    (folder / "current.json").write_text(json.dumps({NAME: "1", "face_expression": "1"}))
    code, out, _ = await models("share", "face_expression", "2", "10%")
    assert code == 0 and "face_expression 2 gets 10.0% of the sessions" in out and "SIGUSR1" in out
    assert "face_expression 2 share 10.0%" in " ".join((await models("list"))[1].split())
    code, out, _ = await models("promote", "face_expression", "2")
    assert code == 0 and "without closing a socket" in out
    assert json.loads((folder / "trials.json").read_text()) == {}, "all sessions have it"
    assert (await models("rollback", "face_expression"))[0] == 0
    assert current_versions(folder)["face_expression"] == "1"
    (folder / "face_expression" / "2" / "model.onnx").write_bytes(b"altered")
    code, _, err = await models("share", "face_expression", "2", "10%")
    assert code == 2 and "is not fit for use" in err and "checksum" in err


async def test_a_share_ends_whatever_its_file_is_like_and_only_for_the_version_that_is_named(
    models: Models, folder: Path
) -> None:
    # A version whose file was damaged could not be withdrawn: the step that ends its share checked the file first.
    for version in ("1", "2", "3"):
        write_graph(folder, "effectiveness", version)
    (folder / "current.json").write_text(json.dumps({NAME: "1", "effectiveness": "1"}))
    assert (await models("share", "effectiveness", "2", "10%"))[0] == 0
    shared = (folder / "trials.json").read_bytes()
    code, _, err = await models("share", "effectiveness", "3", "off")
    assert code == 2 and "effectiveness 3 has no share of the sessions: 2 has one" in err
    assert (folder / "trials.json").read_bytes() == shared
    (folder / "effectiveness" / "2" / "model.onnx").write_bytes(b"damaged")
    assert (await models("share", "effectiveness", "2", "off"))[0] == 0
    assert json.loads((folder / "trials.json").read_text()) == {}
    assert (await models("share", "effectiveness", "2", "off"))[0] == 0
    code, _, err = await models("share", "effectiveness", "9", "off")
    assert code == 2 and "no version 9 of effectiveness" in err


@pytest.mark.parametrize("share", ["0%", "100%", "ten", "-5%", "1.5"])
async def test_a_share_that_is_none_is_refused(models: Models, share: str) -> None:
    code, _, err = await models("share", "effectiveness", "2", f"{share}")
    assert code == 2 and ("SHARE" in err or "expected" in err)


async def test_a_version_may_be_weighed_without_any_consequence(models: Models, folder: Path) -> None:
    code, out, _ = await models("promote", NAME, "3", "--check", *SIGNED)
    assert code == 1 and "cannot be promoted so" in out and "worse" in out
    code, out, _ = await models("promote", NAME, "2", "--check", *SIGNED)
    assert code == 0 and "can be promoted: every target is reached" in out
    assert current_versions(folder) == {NAME: "1"}


async def test_a_comparison_without_any_record_says_how_to_begin(models: Models) -> None:
    await models("shadow", NAME, "2")
    code, out, _ = await models("compare", NAME, "1", "2")
    assert code == 1 and "begin with `emdr-stream models shadow emotion_safety 2`" in out
    code, _, err = await models("compare", NAME, "1", "2", "--since", "yesterday")
    assert code == 2 and "--since" in err
