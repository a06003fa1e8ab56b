"""`python -m tests.docs.regenerate`: refresh docs/cli.md, docs/promises.md, the table of docs/alerts.md,
and web/openapi.json.
"""

from tests.docs import alert_rules, described
from tests.docs.cli_help import refreshed
from tests.docs.pages import ROOT
from tests.docs.promises import PAGE, render

if __name__ == "__main__":
    cli = ROOT / "docs" / "cli.md"
    cli.write_text(refreshed(cli.read_text("utf-8")), "utf-8")
    PAGE.write_text(render(), "utf-8")
    alert_rules.PAGE.write_text(alert_rules.with_table(alert_rules.PAGE.read_text("utf-8")), "utf-8")
    described.PAGE.write_text(described.description(), "utf-8")
    print(f"{cli.relative_to(ROOT)} and {PAGE.relative_to(ROOT)}, {described.PAGE.relative_to(ROOT)} are up to date.")
