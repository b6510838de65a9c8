"""``amifusion license``: issue, look at, revoke and renew licenses."""

from __future__ import annotations

import os
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from AMIFusionLib.authorization.authorize import authorize
from AMIFusionLib.authorization.keys import read_master_key, read_signing_key
from AMIFusionLib.authorization.license import inspect_license, read_license_file
from AMIFusionLib.authorization.model_file import read_model

from .exit_codes import DONE
from .failures import WrongUseError, explained, wrong_use
from .keys import Keys, MasterKey, SigningKey, check_places, chosen, publisher_of
from .options import AsJson, existing_file, secret_file_argument
from .report import Report
from .revocations import RevocationSource, known_revocations

if TYPE_CHECKING:
    from AMIFusionLib.authorization.revocation import RevocationList
    from AMIFusionLib.desk.issuing import Issuer
    from AMIFusionLib.desk.tables import RegisteredLicense

license_commands = typer.Typer(help="Issue, inspect, revoke and renew licenses.", no_args_is_help=True)

_DAY = ["%Y-%m-%d"]


def _to_come(day: datetime | None) -> datetime | None:
    """A day that has not begun; an option's callback."""
    if day is not None and _utc(day) <= datetime.now(timezone.utc):
        raise typer.BadParameter(f"{day:%Y-%m-%d} has already begun. Give a day to come.")
    return day


def _day_to_come(help_text: str) -> Any:
    """An option for a day that has not begun."""
    return typer.Option(formats=_DAY, callback=_to_come, help=help_text, show_default=False)


Register = Annotated[
    Path | None,
    typer.Option(dir_okay=False, help="Table that gets a line for each license: number, licensee, days; no key."),
]
Model = Annotated[list[Path], existing_file("The sealed model file; again for each model of a table.")]
RevocationFile = Annotated[Path, typer.Option("--list", dir_okay=False, help="The publisher's revocation list.")]


@license_commands.command()
def issue(
    model: Model,
    out: Annotated[Path, typer.Option(help="The license file to write; with --from a new folder.")],
    licensee: Annotated[
        str | None, typer.Argument(help="To whom the license is given; shown on the panel.", show_default=False)
    ] = None,
    many: Annotated[
        Path | None,
        typer.Option("--from", exists=True, dir_okay=False,
                     help="A table (CSV) instead of one licensee: licensee, expires, not_before, model, file."),
    ] = None,
    keys: Keys = None,
    signing_key: SigningKey = None,
    master_key: MasterKey = None,
    expires: Annotated[datetime | None, _day_to_come("Last moment: this day, 0:00 UTC.")] = None,
    not_before: Annotated[
        datetime | None, typer.Option(formats=_DAY, help="First day, 0:00 UTC; the default is now.", show_default=False)
    ] = None,
    register: Register = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a license file that is there.")] = False,
    as_json: AsJson = False,
) -> None:  # fmt: skip
    """Issue a license for a model, or one for each line of a table: all or none."""
    if (licensee is None) == (many is None):
        raise typer.BadParameter("Give a licensee, or a table with --from.")
    if many is None and (expires is None or len(model) > 1):
        raise typer.BadParameter("A single license is for one --model and needs --expires.")
    if many is not None and (not_before is not None or overwrite):
        raise typer.BadParameter("--not-before is a column of the table, and nothing is replaced with --from.")
    if expires is not None and not_before is not None and expires <= not_before:
        raise typer.BadParameter("A license must end after it begins: --expires must be later than --not-before.")
    report = Report("license issue", as_json)
    with explained(report):
        from AMIFusionLib.desk.files import check_one_line
        from AMIFusionLib.desk.issuing import REGISTER_NAME, write_all, write_one
        from AMIFusionLib.desk.tables import LicenseRequest, read_requests
        from AMIFusionLib.whole_output import check_free

        if licensee is not None:
            with wrong_use():
                check_one_line(licensee, "A licensee's name")
        # os.path asks also of texts that are too long for a name, which Path does not.
        if many is None and os.path.isdir(out):
            raise WrongUseError(f"{out} is a folder. Give a file's name for a single license.")
        check_places({"--out": out, "--register": register}, [many, *model], keys, signing_key, master_key)
        check_free(out, None if many else overwrite, folder=many is not None)
        issuer = _issuer(model, keys, signing_key, master_key)
        if many is not None:
            issued = issuer.issue(read_requests(many, expires and _utc(expires)))
            register = register or out / REGISTER_NAME
            write_all(out, issued, register)
        elif licensee is not None and expires is not None:  # a single license has both, see above
            issued = issuer.issue([LicenseRequest(licensee, _utc(expires), not_before and _utc(not_before))])
            write_one(out, issued[0], register)
    _say_issued(report, [each.row for each in issued], out, register)


@license_commands.command()
def reissue(
    register: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="The table of licenses issued.")],
    model: Annotated[Path, existing_file("The model file with the new key, from amifusion model rotate.")],
    revoked: RevocationFile,
    out: Annotated[Path, typer.Option(file_okay=False, help="New folder for the licenses.")],
    keys: Keys = None,
    signing_key: SigningKey = None,
    master_key: MasterKey = None,
    expires: Annotated[datetime | None, _day_to_come("Last moment of all; by default each keeps its own.")] = None,
    as_json: AsJson = False,
) -> None:  # fmt: skip
    """Issue licenses for a model's new key to all whose license holds and is not revoked, and add them to the table."""
    report = Report("license reissue", as_json)
    with explained(report):
        from AMIFusionLib.desk.issuing import reissue as issue_again
        from AMIFusionLib.revocations import read_list_file
        from AMIFusionLib.whole_output import check_free

        check_places({"--out": out, "table": register}, [model, revoked], keys, signing_key, master_key)
        check_free(out, folder=True)
        sealed = read_model(model)
        known = read_list_file(revoked, sealed.description.public_key)
        issuer = _issuer([model], keys, signing_key, master_key)
        issued, left = issue_again(out, register, issuer, sealed, known, expires and _utc(expires))
    counted = ", ".join(f"{count} {reason}" for reason, count in left.items() if count)
    if counted:
        report.say(f"Not reissued: {counted}")
    _say_issued(report, [each.row for each in issued], out, register, left=left)


@license_commands.command()
def revoke(
    path: RevocationFile,
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="NUMBER_OR_FILE...", help="Licenses to revoke; none only renews the list."),
    ] = None,
    keys: Keys = None,
    signing_key: SigningKey = None,
    publisher: Annotated[
        str | None, typer.Option(help="The publisher's name, for a first list without --keys.", show_default=False)
    ] = None,
    register: Annotated[
        Path | None, existing_file("The table of licenses issued: a number that is not in it is refused.")
    ] = None,
    next_update: Annotated[
        datetime | None, _day_to_come("Until when the next list will be there; by default in 30 days.")
    ] = None,
    as_json: AsJson = False,
) -> None:  # fmt: skip
    """Add licenses to the publisher's revocation list, or with none renew it; it is made if it is not there."""
    report = Report("license revoke", as_json)
    with explained(report):
        from AMIFusionLib.desk.revoking import check_names, named_licenses
        from AMIFusionLib.desk.revoking import revoke as write_list

        with wrong_use():
            check_names(names or [])
        check_places({"--list": path}, [register, *map(Path, names or [])], keys, signing_key)
        desk = publisher_of(keys)
        key = read_signing_key(chosen(signing_key, desk.signing_key if desk else None, "--signing-key"))
        numbers = named_licenses(names or [], key)
        if register is not None:
            _check_registered(numbers, register)
        until = _utc(next_update) if next_update else datetime.now(timezone.utc) + timedelta(days=30)
        made, is_new = write_list(path, numbers, key, until, publisher or (desk.name if desk else ""))
    count = len(made.revoked)
    counted = f"{count} license is" if count == 1 else f"{count} licenses are"
    report.say(f"{counted} on the list {path}, sequence {made.sequence}.")
    if is_new:
        report.warn(
            f"{path} is a new list: it holds no license that was revoked on another one. If there is one, take this "
            "file away and name that with --list."
        )
    report.say(f"Publish it, and the next one by {made.next_update:%Y-%m-%d}.")
    report.finish(
        out=str(path), is_new=is_new, revoked=numbers, count=count, sequence=made.sequence,
        next_update=f"{made.next_update:%Y-%m-%d}",
    )  # fmt: skip


@license_commands.command()
def revocations(
    path: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="A revocation list.")],
    model: Annotated[Path, existing_file("A model of the publisher, with the key that the list must be signed with.")],
    as_json: AsJson = False,
) -> None:
    """Check a revocation list's signature and show what is on it."""
    report = Report("license revocations", as_json)
    with explained(report):
        from AMIFusionLib.revocations import read_list_file

        found = read_list_file(path, read_model(model).description.public_key)
    days = {number: f"{moment:%Y-%m-%d}" for number, moment in sorted(found.revoked.items())}
    for label, value in (
        ("Issuer", found.issuer), ("Sequence", found.sequence), ("Issued", f"{found.issued:%Y-%m-%d}"),
        ("Next by", f"{found.next_update:%Y-%m-%d}"), ("Revoked", len(days)),
    ):  # fmt: skip
        report.say(f"{label + ':':12}{value}")
    for number, revoked_on in days.items():
        report.say(f"  {number}  {revoked_on}")
    if found.is_stale():
        report.warn("A newer list should be there by now.")
    report.finish(
        issuer=found.issuer, sequence=found.sequence, issued=found.issued.isoformat(),
        next_update=found.next_update.isoformat(), revoked=days,
    )  # fmt: skip


@license_commands.command()
def inspect(
    license_file: Annotated[Path, secret_file_argument("A license file.")],
    model: Annotated[Path | None, existing_file("Check it against this model file.")] = None,
    source: RevocationSource = None,
    as_json: AsJson = False,
) -> None:
    """Show what a license says and, given a model, whether it opens that model. Its key is never shown."""
    report = Report("license inspect", as_json)
    with explained(report):
        text = read_license_file(license_file)
        shown = inspect_license(text)
        for label, claim in (
            ("Model", "model"), ("Licensee", "sub"), ("Issuer", "iss"), ("Valid from", "nbf"), ("Expires", "exp"),
            ("Number", "jti"),
        ):  # fmt: skip
            report.say(f"{label + ':':12}{shown[claim]}")
        known = _checked(text, model, source, report) if model else None
    if model is None:
        report.say("Not checked: give the model file with --model to check signature, dates, key and revocation.")
    else:
        report.say(f"Valid: it opens {model.name}.")
        report.say(f"Not revoked by {known.issued:%Y-%m-%d}." if known else "No revocation list is known.")
    report.finish(
        valid=None if model is None else True, model=shown["model"], licensee=shown["sub"], issuer=shown["iss"],
        not_before=shown["nbf"], expires=shown["exp"], number=shown["jti"],
        revocations_of=known.issued.isoformat() if known else None,
    )  # fmt: skip


def _checked(text: str, path: Path, source: str | None, report: Report) -> RevocationList | None:
    """The revocation list that a license was checked against, after all the rest was."""
    sealed = read_model(path)
    known = known_revocations(sealed.description, path, source, report)
    authorization = authorize(sealed, text, known)
    if not authorization.is_licensed:
        raise ValueError(authorization.problem)
    if authorization.warning:
        report.warn(authorization.warning)
    return known


def _issuer(models: list[Path], keys: Path | None, signing_key: Path | None, master_key: Path | None) -> Issuer:
    from AMIFusionLib.desk.issuing import Issuer

    desk = publisher_of(keys)
    master = read_master_key(chosen(master_key, desk.master_key if desk else None, "--master-key"))
    signing = read_signing_key(chosen(signing_key, desk.signing_key if desk else None, "--signing-key"))
    return Issuer([read_model(path) for path in models], master, signing)


def _say_issued(
    report: Report, rows: list[RegisteredLicense], out: Path, register: Path | None, **facts: object
) -> None:
    for row in rows:
        report.say(f"License {row.number} for {row.licensee}, until {row.expires}")
    report.say(f"Written: {out}" if rows else "No license is needed: nothing was written.")
    if register is not None and rows:
        report.say(f"Keep the table for revocation: {register}")
    listed = [
        {"number": row.number, "licensee": row.licensee, "model": row.model, "expires": row.expires, "file": row.file}
        for row in rows
    ]
    report.finish(DONE, out=str(out), register=str(register) if register else None, licenses=listed, **facts)


def _check_registered(numbers: list[str], register: Path) -> None:
    from AMIFusionLib.desk.tables import read_register

    unknown = set(numbers) - {row.number for row in read_register(register)}
    if unknown:
        raise ValueError(f"{register.name} has no license {', '.join(sorted(unknown))}. Nothing was revoked.")


def _utc(day: datetime) -> datetime:
    return day.replace(tzinfo=timezone.utc)
