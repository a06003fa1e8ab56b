"""Real git repositories for the gate's tests."""

import subprocess

PROMPT = "prompts/support/answer"
WORSE, BETTER = f"{PROMPT}/1.0.0.yaml", f"{PROMPT}/1.2.0.yaml"


def git(root, *arguments):
    who = ("-c", "user.name=Ann", "-c", "user.email=ann@example.com")
    done = subprocess.run(["git", *who, *arguments], cwd=root, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def commit(root, message="change"):
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--message", message)


def worse(project, version="1.3.0"):
    text = (project.root / WORSE).read_text("utf-8")
    (project.root / f"{PROMPT}/{version}.yaml").write_text(
        text.replace("temperature: 0.2", "temperature: 0.1"), "utf-8"
    )
