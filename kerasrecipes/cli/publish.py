"""Commands that check and publish released files: verify and publish."""

from kerasrecipes.cli.progress import ProgressBar, print_line
from kerasrecipes.cli.sections import argument, command, option
from kerasrecipes.utils.escaping import escape_controls


@command("verify")
def run_verify() -> int:
    """Check every released file against its manifest entry."""
    from kerasrecipes.hub import weights

    rows = weights.verify()
    marks = {True: "ok ", False: "BAD", None: "-- "}
    for name, ok, text in rows:
        print_line(f"{marks[ok]}  {escape_controls(name)}: {escape_controls(text)}")
    return 1 if any(ok is False for _, ok, _ in rows) else 0


@command("publish", model="argument")
@argument("name", help="Name of a recipe with released weights.")
@option("--repo", required=True, metavar="ORG/NAME", help="Repository on the hub; it is created if it does not exist.")
@option("--yes", is_flag=True, help="Upload. Without this option the command only says what it would upload.")
def run_publish(name, repo, yes) -> None:
    """Upload a recipe's weights and card to the hub."""
    from kerasrecipes.release.publish import publish

    with ProgressBar(f"publishing {name}", "files"):
        text = publish(name, repo, dry_run=not yes)
    print_line(text)
