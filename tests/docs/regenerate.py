"""`python -m tests.docs.regenerate`: refresh the help texts in docs/cli.md and the page docs/promises.md."""

from tests.docs.cli_help import refreshed
from tests.docs.pages import ROOT
from tests.docs.promises import PAGE, render

if __name__ == "__main__":
    cli = ROOT / "docs" / "cli.md"
    cli.write_text(refreshed(cli.read_text("utf-8")), "utf-8")
    PAGE.write_text(render(), "utf-8")
    print(f"{cli.relative_to(ROOT)} and {PAGE.relative_to(ROOT)} are up to date.")
