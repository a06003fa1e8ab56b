"use strict";
// The list of all cases: filter, sort, open. Texts of models go into the page as text nodes only.
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const PAGE = 50, MAX_WORDS = 1500;
  const body = document.querySelector("#cases tbody");
  const find = (id) => document.getElementById(id);
  const state = { key: -1, down: false, shown: PAGE, found: [] };

  const make = (tag, kind, ...children) => {
    const node = document.createElement(tag);
    if (kind) node.className = kind;
    node.append(...children);
    return node;
  };
  const shown = (value) => (value === null || value === undefined ? "–" : value.toFixed(2));
  const lines = (value) => (typeof value === "string" ? value : JSON.stringify(value, null, 2));

  // Longest common subsequence of words; what both ends share is left out of the table first.
  function diff(before, after) {
    const split = (text) => text.match(/\s+|[\p{L}\p{N}_]+|[^\s\p{L}\p{N}_]/gu) || [];
    const a = split(before), b = split(after), pieces = [];
    const push = (kind, text) => {
      const last = pieces[pieces.length - 1];
      if (last && last[0] === kind) last[1] += text; else if (text) pieces.push([kind, text]);
    };
    let start = 0, enda = a.length, endb = b.length;
    while (start < enda && start < endb && a[start] === b[start]) start++;
    while (enda > start && endb > start && a[enda - 1] === b[endb - 1]) { enda--; endb--; }
    push("same", a.slice(0, start).join(""));
    const n = enda - start, m = endb - start;
    if (n > MAX_WORDS || m > MAX_WORDS) {
      push("gone", a.slice(start, enda).join(""));
      push("new", b.slice(start, endb).join(""));
    } else {
      const width = m + 1, table = new Uint16Array((n + 1) * width);
      for (let i = n - 1; i >= 0; i--)
        for (let j = m - 1; j >= 0; j--)
          table[i * width + j] = a[start + i] === b[start + j]
            ? table[(i + 1) * width + j + 1] + 1
            : Math.max(table[(i + 1) * width + j], table[i * width + j + 1]);
      let i = 0, j = 0;
      while (i < n || j < m) {
        if (i < n && j < m && a[start + i] === b[start + j]) { push("same", a[start + i]); i++; j++; }
        else if (i < n && (j === m || table[(i + 1) * width + j] >= table[i * width + j + 1])) push("gone", a[start + i++]);
        else push("new", b[start + j++]);
      }
    }
    push("same", a.slice(enda).join(""));
    return pieces;
  }

  const block = (label, ...children) => {
    const pre = make("pre", "text", ...children);
    pre.tabIndex = 0;
    pre.setAttribute("role", "region");
    pre.setAttribute("aria-label", label);
    return make("div", "", make("div", "label", label), pre);
  };
  const marked = (pieces, other) => pieces
    .filter(([kind]) => kind !== other)
    .map(([kind, text]) => (kind === "same" ? text : make(kind === "gone" ? "del" : "ins", "", text)));

  function scores(list) {
    const items = list.map(([name, value, status, reason, evidence]) => {
      const item = make("li", "", make("strong", "", name), ` ${value === null ? status.replace("_", " ") : shown(value)}`);
      if (reason) item.append(make("span", "soft", `  ${reason}`));
      if (evidence) {
        const more = make("details", "", make("summary", "", "evidence"));
        more.append(make("pre", "text", lines(evidence)));
        item.append(more);
      }
      return item;
    });
    return make("ul", "scores", ...items);
  }

  function answer(side, label, pieces, other) {
    const box = make("div", "");
    if (side.e) box.append(block(`${label}: no answer`, side.e));
    else box.append(block(label, ...(pieces ? marked(pieces, other) : [side.o])));
    if (side.t) box.append(block(`${label}: tool calls`, lines(side.t)));
    box.append(scores(side.s));
    if (side.m) box.append(block(`${label}: conversation`, side.m));
    if (side.x) box.append(block(`${label}: documents`, side.x.join("\n\n")));
    if (side.n) box.append(make("div", "label", side.n));
    return box;
  }

  function detail(one) {
    const box = make("div", "");
    if (one.cut) box.append(make("p", "soft", "Texts are cut here: the JSON report has them whole."));
    const facts = make("div", "sides");
    if (one.in) facts.append(block("Input", lines(one.in)));
    if (one.ex !== undefined) facts.append(block("Expected", lines(one.ex)));
    box.append(facts);
    const repeats = Math.max((one.new || []).length, (one.old || []).length);
    for (let index = 0; index < repeats; index++) {
      const now = (one.new || [])[index], was = (one.old || [])[index];
      if (repeats > 1) box.append(make("h3", "", `Repeat ${index + 1}`));
      const pieces = now && was && !now.e && !was.e ? diff(was.o, now.o) : null;
      const sides = make("div", "sides");
      if (was) sides.append(answer(was, "Baseline", pieces, "new"));
      if (now) sides.append(answer(now, was ? "Candidate" : "Answer", pieces, "gone"));
      box.append(sides);
    }
    return box;
  }

  function row(one, number) {
    const open = make("button", "plain", one.i);
    open.type = "button";
    open.setAttribute("aria-expanded", "false");
    const head = make("th", "", open);
    head.scope = "row";
    if (one.g) head.append(make("span", "soft", " golden"));
    const state = one.f ? "failed" : one.c === "new" ? "" : one.c;
    const line = make("tr", "", head, make("td", "", ...(state ? [make("span", `chip ${state}-chip`, state)] : [])));
    data.scores.forEach((_, at) => {
      const [now, was] = one.v[at] || [null, null];
      const cell = make("td", "num", shown(now));
      if (was !== null && was !== now) {
        const sign = now === null ? "" : now < was ? "▼ " : "▲ ";
        cell.append(make("div", "soft", `${sign}was ${shown(was)}`));
      }
      line.append(cell);
    });
    line.append(make("td", "", (one.t || []).join(", ")));
    open.addEventListener("click", () => {
      const next = line.nextElementSibling;
      const isOpen = next && next.classList.contains("detail");
      open.setAttribute("aria-expanded", String(!isOpen));
      if (isOpen) { next.remove(); return; }
      const cell = make("td", "", detail(one));
      cell.colSpan = data.scores.length + 3;
      line.after(make("tr", "detail", cell));
    });
    return line;
  }

  function draw(from) {
    const part = state.found.slice(from, state.shown);
    if (from === 0) body.replaceChildren();
    body.append(...part.map(row));
    const left = state.found.length - Math.min(state.shown, state.found.length);
    find("more").hidden = left === 0;
    find("more").textContent = `Show ${Math.min(PAGE, left)} more of ${left}`;
    find("count").textContent = `${state.found.length} of ${data.cases.length} cases`;
  }

  function select() {
    const words = find("search").value.toLowerCase().split(/\s+/).filter(Boolean);
    const change = find("change").value, tag = find("tag").value;
    state.found = data.cases.filter((one) => {
      if (change === "failed" ? !one.f : change && one.c !== change) return false;
      if (tag && !(one.t || []).includes(tag)) return false;
      if (!words.length) return true;
      if (one.all === undefined) one.all = JSON.stringify([one.i, one.t, one.in, one.ex, one.new, one.old]).toLowerCase();
      return words.every((word) => one.all.includes(word));
    });
    if (state.key >= 0) {
      const worth = (one) => { const pair = one.v[state.key]; return pair && pair[0] !== null ? pair[0] : 2; };
      state.found.sort((x, y) => (state.down ? worth(y) - worth(x) : worth(x) - worth(y)));
    }
    state.shown = PAGE;
    draw(0);
  }

  document.querySelectorAll("#cases th[data-score]").forEach((head) => {
    head.querySelector("button").addEventListener("click", () => {
      const key = Number(head.dataset.score);
      state.down = state.key === key && !state.down;
      state.key = key;
      document.querySelectorAll("#cases th[aria-sort]").forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", state.down ? "descending" : "ascending");
      select();
    });
  });
  ["search", "change", "tag"].forEach((id) => find(id).addEventListener("input", select));
  find("more").addEventListener("click", () => {
    const from = state.shown;
    state.shown += PAGE;
    draw(from);
  });
  find("explorer").hidden = false;
  select();
})();
