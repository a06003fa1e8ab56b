"""What each rule of `moat lint` is about, as docs/lint.md and SARIF tell it."""

RULES = {
    "unreadable": (
        "The file is not valid YAML, has an unknown or missing key, names a tool that is not there, leads "
        "outside the project, or the lock is broken"
    ),
    "version-name": "The file name is not a semantic version",
    "template": "A template does not parse or uses what the sandbox refuses",
    "missing-partial": "An included partial does not exist",
    "undeclared-variable": "A template uses a name that is not under `variables`",
    "unused-variable": "A declared variable is used by no message",
    "unknown-model": "`model` is no alias of `moat.yaml`",
    "reserved-parameter": (
        "`params` has `model`, `messages`, `stream`, `stream_options`, `prompt` or `user`, which are not a "
        "version's to set"
    ),
    "parameter": (
        "A known parameter has the wrong type or range, such as a `temperature` of 3. Warning: a name that is"
        " nearly one, such as `temprature`"
    ),
    "output-schema": "`output` is not a JSON Schema",
    "tool-schema": "A tool's `parameters` is not a JSON Schema",
    "tool-example": "An example does not fit, or a counter-example does",
    "edited-version": (
        "A published version, or a partial or tool it consists of, has another content than the lock says"
    ),
    "missing-version": "The lock has a version whose file is gone",
    "version-order": ("Warning: an unpublished version is older than the newest published one, so nobody would get it"),
    "secret": "Something in a message, partial, default or tool file looks like a credential",
    "pii": (
        "Warning: an email address, phone number, card number, IBAN or US social security number in the same "
        "places. Check digits are checked; reserved domains such as example.com and published test cards are "
        "left alone"
    ),
    "token-budget": "The fixed text is longer than the prompt's `token_budget`",
    "token-growth": (
        "Warning: the fixed text of an unpublished version is at least 200 tokens longer than that of the "
        "version before it, and no `token_budget` says that this is meant"
    ),
    "suite": "A suite's file is broken",
    "unknown-prompt": "A suite's `prompt` does not exist",
    "dataset": "A suite's dataset is missing, a case is broken, or one does not fit the prompt's variables",
    "edited-dataset": (
        "A dataset has another content than `evals.lock` says: `moat dataset lock` bumps it, with a reason"
    ),
    "missing-dataset": "`evals.lock` has a dataset whose file is gone",
    "unlocked-dataset": "Warning: other datasets are in `evals.lock`, and this one is not",
    "unknown-suite": "An environment in `moat.yaml` requires a suite that there is not, or `gate.red_team` names one",
    "uncovered": "Warning: no suite evaluates the prompt",
}
