"use strict";
// Browsing a store level by level. Keys travel as hex digits ("id"), since they may be any bytes; what
// is shown is always text, never markup.

const UTF8 = new TextEncoder();

function hexOf(text) {
  return Array.from(UTF8.encode(text), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

// Characters that would not show, or would turn the text around, as \u{...}.
function visible(text) {
  return Array.from(text, (c) => {
    const code = c.codePointAt(0);
    const hidden = code < 32 || (code > 126 && code < 160) || (code >= 0x200b && code <= 0x200f) ||
      (code >= 0x2028 && code <= 0x202e) || (code >= 0x2060 && code <= 0x206f) || code === 0xfeff;
    if (code >= 0xdc80 && code <= 0xdcff) return `\\x${(code - 0xdc00).toString(16)}`;
    return hidden || (code >= 0xd800 && code <= 0xdfff) ? `\\u{${code.toString(16)}}` : c;
  }).join("");
}

function element(name, properties, ...children) {
  const e = Object.assign(document.createElement(name), properties);
  e.append(...children);
  return e;
}

class Browser {
  // hooks: get(path) and post(path), say(sentence, bad)
  constructor(hooks) {
    this.hooks = hooks;
    this.body = document.querySelector("#items tbody");
    this.crumbs = document.getElementById("crumbs");
    this.note = document.getElementById("items-note");
    this.deleted = document.getElementById("deleted");
    this.nextButton = document.getElementById("next");
    this.firstButton = document.getElementById("first");
    this.asked = 0;
    this.deleted.addEventListener("change", () => this.load(""));
    this.nextButton.addEventListener("click", () => this.load(this.next));
    this.firstButton.addEventListener("click", () => this.load(""));
  }

  // starts: levels where one can begin, "" is the whole store
  open(store, starts) {
    this.store = store;
    this.starts = starts;
    this.go(starts.length === 1 && starts[0] !== "" ? [{ name: `${starts[0]}/`, id: hexOf(`${starts[0]}/`) }] : []);
  }

  // trail: the levels from the root to here, each with its name and its id (hex of its prefix)
  go(trail, focus) {
    this.trail = trail;
    this.drawCrumbs(focus);
    this.nothing(""); // rows of another level must not be clicked any more
    this.load("");
  }

  url(page, parameters) {
    return `/ui/${page}?${new URLSearchParams({ store: this.store, ...parameters })}`;
  }

  async load(after) {
    const mine = ++this.asked;
    const prefix = this.trail.length ? this.trail[this.trail.length - 1].id : "";
    if (!prefix && !this.starts.includes("")) return this.showStarts();
    this.note.textContent = "Loading …";
    try {
      const answer = await this.hooks.get(this.url("list.json", { prefix, after, deleted: this.deleted.checked ? "1" : "0" }));
      if (mine === this.asked) this.show(answer, after);
    } catch (error) {
      if (mine === this.asked) this.nothing(error.message);
    }
  }

  nothing(sentence) {
    this.body.replaceChildren();
    this.note.textContent = sentence;
    this.nextButton.hidden = this.firstButton.hidden = true;
  }

  showStarts() {
    this.nothing(this.starts.length ? "" : "You may not list anything in this store.");
    for (const start of this.starts)
      this.body.append(this.row({ name: `${start}/`, id: hexOf(`${start}/`), level: true }));
  }

  show(answer, after) {
    this.next = answer.next;
    this.nextButton.hidden = !answer.next;
    this.firstButton.hidden = !after;
    this.body.replaceChildren(...answer.items.map((item) => this.row(item)));
    const passed = answer.passed_over ? `, ${answer.passed_over} names passed over that no key leads to` : "";
    this.note.textContent = answer.items.length ? `${answer.items.length} shown${answer.next ? ", there are more" : ""}${passed}.`
      : `Nothing here${passed}.`;
  }

  row(item) {
    const name = element("td", { className: "name" });
    const row = element("tr", { className: item.deleted ? "gone" : "" }, name);
    const shown = visible(item.name) || "(no name)";
    if (item.level) {
      const open = element("button", { type: "button", className: "link", textContent: shown });
      open.addEventListener("click", () => this.go([...this.trail, item], true));
      name.append(open);
      row.append(element("td", {}), element("td", {}), element("td", { textContent: "" }));
      return row;
    }
    name.append(element("span", { textContent: shown }));
    row.append(element("td", { className: "number", textContent: formatBytes(item.size) }),
      element("td", { textContent: item.mtime_ms ? new Date(item.mtime_ms).toLocaleString() : "" }), this.actions(item, shown));
    return row;
  }

  actions(item, shown) {
    const cell = element("td", {});
    const load = element("a", { href: this.url("download", { key: item.id, deleted: item.deleted ? "1" : "0" }), textContent: "Download" });
    load.setAttribute("download", "");
    load.setAttribute("aria-label", `Download ${shown}`);
    cell.append(load);
    if (item.deleted) {
      const back = element("button", { type: "button", textContent: "Undelete" });
      back.setAttribute("aria-label", `Undelete ${shown}`);
      back.addEventListener("click", () => this.undelete(item, shown, back));
      cell.append(element("span", { className: "sub", textContent: "soft-deleted" }), back);
    }
    return cell;
  }

  async undelete(item, shown, button) {
    button.disabled = true;
    try {
      await this.hooks.post(this.url("undelete", { key: item.id }));
      this.hooks.say(`${shown} is back.`, false);
      this.load("");
      this.deleted.focus();
    } catch (error) {
      button.disabled = false;
      this.hooks.say(`${shown}: ${error.message}`, true);
    }
  }

  drawCrumbs(focus) {
    const levels = [{ name: this.store, to: [] }, ...this.trail.map((level, i) => ({ name: level.name.replace(/\/$/, ""), to: this.trail.slice(0, i + 1) }))];
    this.crumbs.replaceChildren(...levels.map((level, i) => {
      const here = element("button", { type: "button", className: "link", textContent: visible(level.name) || "(no name)" });
      if (i === levels.length - 1) here.setAttribute("aria-current", "location");
      here.addEventListener("click", () => this.go(level.to, true));
      return element("li", { className: "name" }, here);
    }));
    if (focus) this.crumbs.lastElementChild.firstElementChild.focus();
  }
}
