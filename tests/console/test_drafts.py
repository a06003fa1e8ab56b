"""Drafts of prompts: what is typed is not lost, what others did meanwhile is said, a bare text can be edited too."""

import json
import re
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from playwright.sync_api import expect

from tests.bootstrap.projects import environment, eventually
from tests.console.conftest import Faults, Visit, axe, screenshot
from tests.console.world import JSON, Shown

PROMPT = "/prompts/support/answer"


def test_undoing_stops_at_the_text_that_was_opened(visit: Visit, faults: Faults) -> None:
    faults.forgive("status of 404")  # no partial has the copy's name yet
    page = visit("expert")
    page.on("dialog", lambda dialog: dialog.accept())
    page.goto(f"{PROMPT}?tab=edit")
    file = page.get_by_role("textbox", name="File of support/answer")

    def undo() -> None:
        for _ in range(5):
            page.keyboard.press("Control+z")

    file.click()
    undo()
    expect(file).to_contain_text("messages:")
    expect(page.get_by_text("Nothing changed yet")).to_be_visible()
    page.keyboard.press("Control+Home")
    page.keyboard.type("# Kept.\n")
    expect(page.get_by_text("Kept in this browser only")).to_be_visible()

    page.reload()
    expect(file).to_contain_text("# Kept.")
    file.click()
    undo()
    expect(file).to_contain_text("# Kept.")
    page.keyboard.press("Control+Home")
    page.keyboard.type("# Too much.\n")

    files = page.get_by_role("navigation", name="Files of the draft")
    files.get_by_role("link", name="tone").click()
    page.get_by_role("button", name="Change a copy of tone").click()
    copy = page.get_by_role("textbox", name="Partial tone-")
    begun = copy.inner_text()
    assert begun.strip()
    copy.click()
    undo()
    expect(copy).to_have_text(begun)
    page.keyboard.press("Control+End")
    page.keyboard.type("Too much too.")
    page.get_by_role("link", name="Playground").click()
    page.get_by_role("link", name="Edit").click()
    expect(copy).to_contain_text("Too much too.")
    copy.click()
    undo()
    expect(copy).to_have_text(begun)

    # The copy's name came into the file from elsewhere: nothing of what was typed before can be undone apart from it.
    files.get_by_role("link", name=re.compile("yaml$")).click()
    expect(file).to_contain_text("# Too much.")
    page.get_by_role("button", name="Discard draft").click()
    expect(file).not_to_contain_text("# Kept.")
    file.click()
    undo()
    expect(page.get_by_text("Nothing changed yet")).to_be_visible()


def test_what_is_typed_into_a_file_is_text_and_no_shortcut(visit: Visit, faults: Faults) -> None:
    faults.forgive("status of 40[04]")  # no partial has the copy's name yet; a text in the midst of it is no YAML
    words = "message? together go / get jam, kindly"
    page = visit("expert")
    page.goto(f"{PROMPT}?tab=edit")
    page.get_by_role("link", name="tone").click()
    page.get_by_role("button", name="Change a copy of tone").click()
    files = page.get_by_role("navigation", name="Files of the draft")
    for file, name in ((re.compile("^tone-"), "Partial tone-"), (re.compile("yaml$"), "File of support/answer")):
        files.get_by_role("link", name=file).click()
        field = page.get_by_role("textbox", name=name)
        field.click()
        page.keyboard.press("Control+Home")
        page.keyboard.type(f"# {words}\n")
        expect(field).to_contain_text(f"# {words}")
        expect(page.get_by_role("dialog")).to_have_count(0)
        expect(page).to_have_url(re.compile(f"{PROMPT}[?]tab=edit"))


def test_typing_is_undone_after_another_file_was_shown(visit: Visit) -> None:
    page = visit("expert")
    page.goto(f"{PROMPT}?tab=edit")
    file = page.get_by_role("textbox", name="File of support/answer")
    file.click()
    page.keyboard.press("Control+Home")
    page.keyboard.type("# Too much.\n")
    files = page.get_by_role("navigation", name="Files of the draft")
    files.get_by_role("link", name="tone").click()
    expect(file).to_have_count(0)
    files.get_by_role("link", name=re.compile("yaml")).click()
    expect(file).to_contain_text("# Too much.")
    file.click()
    for _ in range(5):
        page.keyboard.press("Control+z")
    expect(file).not_to_contain_text("# Too much.")
    expect(file).to_contain_text("messages:")
    expect(page.get_by_text("Nothing changed yet")).to_be_visible()


@contextmanager
def committed(shown: Shown, path: str) -> Iterator[Callable[[str], None]]:
    """Commits texts of a file of the project, for a while."""
    file = shown.project.root / path

    def commit(text: str | None) -> None:
        if text is None:
            file.unlink()
        else:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, "utf-8")
        author = ("-c", "user.name=Ada", "-c", "user.email=ada@example.org")
        for command in (("add", "--all", "--", path), (*author, "commit", "--quiet", "--message", path, "--", path)):
            subprocess.run(
                ["git", *command], cwd=shown.project.root, env=environment(), check=True, capture_output=True
            )

    try:
        yield commit
    finally:
        if file.exists():
            commit(None)


def test_what_a_colleague_changed_meanwhile_is_said_before_it_is_refused(
    visit: Visit, shown: Shown, faults: Faults
) -> None:
    faults.forgive("status of 40[04]")  # the prompt is not there yet
    page = visit("expert")
    page.on("dialog", lambda dialog: dialog.accept())
    with committed(shown, "prompts/_partials/closing.j2") as commit:
        commit("Have a nice day.\n")
        page.goto("/prompts/support/goodbye?tab=edit")
        page.get_by_role("textbox", name="File of support/goodbye").click()
        page.keyboard.press("Control+End")
        page.keyboard.type("  - role: user\ncontent: '{% include \"closing\" %}'\n")
        files = page.get_by_role("navigation", name="Files of the draft")
        files.get_by_role("link", name="closing").click()
        partial = page.get_by_role("textbox", name="Partial closing")
        partial.fill("Mine.")
        expect(files.get_by_role("link", name="closing")).to_contain_text("changed")
        said = page.get_by_role("status").filter(has_text="Somebody changed")

        commit("Theirs.\n")
        page.reload()
        expect(said).to_contain_text("prompts/_partials/closing.j2")
        expect(files.get_by_role("link", name="closing")).to_contain_text("theirs is newer")
        expect(partial).to_have_text("Mine.")
        difference = page.get_by_role("region", name="From theirs to yours in closing")
        expect(difference).to_contain_text("− Theirs.")
        axe(page)
        screenshot(page, "prompt-partial-passed")
        page.get_by_role("link", name="Propose", exact=True).click()
        expect(page.get_by_text("Somebody changed closing since this draft took it")).to_be_visible()
        propose = page.get_by_role("button", name="Propose", exact=True)
        expect(propose).to_be_disabled()
        axe(page)
        page.get_by_role("button", name="Go on with mine").click()
        expect(page.get_by_role("region", name="What changes in closing")).to_contain_text("+ Mine.")
        page.get_by_label("What is better").fill("Both of us have thought about it.")
        propose.click()
        expect(page.get_by_role("status", name="Proposed")).to_contain_text("prompts/_partials/closing.j2")

        commit("Theirs again.\n")
        page.goto("/prompts/support/goodbye?tab=edit&part=closing")
        page.get_by_role("button", name="Take theirs").click()
        expect(partial).to_have_text("Theirs again.")
        expect(said).to_have_count(0)
        expect(files.get_by_role("link", name="closing", exact=True)).to_be_visible()
        page.get_by_role("button", name="Discard draft").click()


def test_a_bare_text_becomes_yaml_in_a_draft(visit: Visit, shown: Shown, faults: Faults) -> None:
    faults.forgive("status of 40[04]")  # a draft of no text, and at the end the file is gone
    page = visit("expert")
    page.on("dialog", lambda dialog: dialog.accept())
    with committed(shown, "prompts/support/summary/1.0.0.txt") as commit:
        commit("Sum up: the # of {{ things }}\n\n  and more.")
        eventually(lambda: shown.server.get("/api/v1/versions/support/summary")[0] == 200)
        page.goto("/prompts/support/summary?tab=edit")
        expect(page.get_by_text("is a bare text")).to_contain_text("prompts/support/summary/1.0.0.txt")
        file = page.get_by_role("textbox", name="File of support/summary")
        expect(file).to_contain_text("things: {type: string}")
        page.get_by_label("things").fill("tents")
        rendered = page.get_by_role("region", name="Rendered user message")
        expect(rendered).to_have_text("Sum up: the # of tents\n\n  and more.")
        expect(page.get_by_role("button", name="✕ error")).to_have_count(0)
        axe(page)
        screenshot(page, "prompt-bare")
        file.click()
        page.keyboard.press("Control+Home")
        page.keyboard.type("description: What happened.\n")
        page.get_by_role("link", name="Propose", exact=True).click()
        page.get_by_label("What is better").fill("It says what it is for.")
        page.get_by_role("button", name="Propose", exact=True).click()
        expect(page.get_by_role("status", name="Proposed")).to_contain_text("prompts/support/summary/1.1.0.yaml")


ASKED = """
    const fetched = window.fetch;
    window.asked = [];
    window.fetch = async (what, how) => {
        const request = new Request(what, how);
        if (request.url.endsWith("/drafts/run")) window.asked.push((await request.clone().json()).text);
        return fetched(request);
    };
"""
"""Notes the texts that a page asks models with."""


def test_a_version_is_asked_as_its_file_is_now(visit: Visit, shown: Shown, faults: Faults) -> None:
    faults.forgive("status of 40[04]")  # no model is named, and at the end the files are gone
    page = visit("expert")
    page.add_init_script(ASKED)
    with (
        committed(shown, "prompts/support/note/0.9.0.txt") as old,
        committed(shown, "prompts/support/note/1.0.0.txt") as new,
    ):
        old("First.")
        new("Newer.")
        eventually(lambda: len(shown.server.get("/api/v1/versions/support/note")[1]) == 2)
        page.goto("/prompts/support/note?tab=try&tried=%5B%220.9.0%22%5D")
        for number, text in enumerate(("First.", "Edited."), 1):
            if number > 1:
                old(text)
            page.get_by_role("button", name="Ask", exact=True).click()
            page.wait_for_function("number => window.asked.length === number", arg=number)
            assert page.evaluate("window.asked.at(-1)") == text


def test_a_bare_text_that_is_proposed_is_opened(visit: Visit, shown: Shown) -> None:
    text = {"path": "prompts/support/poem/v1.0.0.txt", "text": "A poem about {{ things }}.\n"}
    made = shown.project.process(
        "keys", "create", "--name", "g", "--role", "expert", "--user", "g@example.org", "--json"
    )
    wish, key = {"message": "A poem", "files": [text]}, json.loads(made.out)["secret"]
    status, proposed = shown.server.send("POST", "/api/v1/proposals", wish, key, **JSON)
    assert status == 201, proposed
    page = visit("expert")
    page.goto("/prompts?show=proposals")
    page.get_by_role("link", name="Open support/poem 1.0.0 as draft").click()
    expect(page.get_by_text("is a bare text")).to_contain_text("prompts/support/poem/v1.0.0.txt")
    expect(page.get_by_role("textbox", name="File of support/poem")).to_contain_text("A poem about {{ things }}.")
