"use strict";
// Tables that sort, filter and search; commands that copy; pictures that enlarge. No library, no network.
(() => {
  const PAGE = 100;
  const collator = new Intl.Collator("en", { numeric: true, sensitivity: "base" });
  const said = document.getElementById("said");

  const make = (name, attributes, ...children) => {
    const node = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
    node.append(...children);
    return node;
  };

  const many = (count, word) => `${count.toLocaleString("en")} ${word}${count === 1 ? "" : "s"}`;

  // Its last word alone is seen; all of it is copied.
  const command = (text) => [
    make("code", { title: text }, make("span", { class: "start" }, text.slice(0, text.lastIndexOf(" ") + 1)), text.split(" ").at(-1)),
    make("button", { type: "button", class: "copy", "aria-label": `Copy ${text}` }, "Copy"),
  ];

  const classes = (column) => [column.kind === "number" ? "number" : "", column.minor ? "minor" : ""].join(" ").trim();

  // Columns and rows of a table that stands in the page.
  const standing = (root) => {
    const columns = [...root.querySelectorAll("thead th")].map((th) => ({
      th,
      label: th.textContent.trim(),
      kind: th.dataset.kind,
      down: th.dataset.down === "1",
    }));
    const rows = [...root.querySelectorAll("tbody tr")].map((node) => ({
      node,
      text: [...node.cells].map((cell) => (cell.querySelector("code") ?? cell).textContent).join(" ").toLowerCase(),
      values: [...node.cells].map((cell, at) => {
        if (!("v" in cell.dataset)) return null;
        return columns[at].kind === "number" ? Number(cell.dataset.v) : cell.dataset.v;
      }),
      shown: [...node.cells].map((cell) => cell.dataset.v ?? ""),
    }));
    return { columns, rows };
  };

  // The same from numbers: a row of the table is made when it is first shown.
  const stored = (root) => {
    const data = JSON.parse(document.getElementById(root.dataset.source).textContent);
    const head = root.querySelector("thead tr");
    const columns = [...data.columns, { label: "command to reproduce", kind: "command" }].map((column) => {
      const th = make("th", { scope: "col", class: classes(column) }, column.label);
      head.append(th);
      return { ...column, th };
    });
    const show = (value, column) => {
      if (value === null) return "–";
      return typeof value === "number" && column.decimals ? value.toFixed(column.decimals) : String(value);
    };
    const cell = (value, column) => {
      if (column.kind === "command") return make("td", { class: "command" }, ...command(`backbench reproduce ${value}`));
      if (column.kind === "number") return make("td", { class: classes(column) }, show(value, column));
      return make("td", { class: classes(column) }, make("bdi", {}, show(value, column)));
    };
    const rows = data.rows.map((values) => ({
      values,
      get text() {
        return (this.lower ??= values.map((value, at) => show(value, columns[at])).join(" ").toLowerCase());
      },
      get node() {
        return (this.made ??= make("tr", {}, ...values.map((value, at) => cell(value, columns[at]))));
      },
      get shown() {
        return values.map(String);
      },
    }));
    return { columns, rows };
  };

  class Grid {
    constructor(root) {
      this.body = root.querySelector("tbody");
      this.status = root.querySelector(".shown");
      this.tools = root.querySelector(".tools");
      Object.assign(this, root.dataset.source ? stored(root) : standing(root));
      this.first = this.limit = Number(root.dataset.rows);
      this.search = this.tools.querySelector("input");
      if (root.dataset.source) this.offer();
      this.selects = [...this.tools.querySelectorAll("select")];
      this.columns.forEach((column, at) => this.sortable(column, at));
      this.wide = this.tools.querySelector(".columns");
      this.wide.hidden = !root.querySelector("th.minor");
      this.wide.addEventListener("click", () => {
        const all = root.classList.toggle("wide");
        this.wide.setAttribute("aria-pressed", String(all));
      });
      this.more = make("button", { type: "button", class: "more-rows" });
      root.append(this.more);
      this.listen();
      this.update(false);
    }

    // A list of its values for each column that has few.
    offer() {
      this.columns.forEach((column, at) => {
        if (!column.filtered) return;
        const values = [...new Set(this.rows.map((row) => row.values[at]))].filter((value) => value !== null);
        values.sort((a, b) => collator.compare(String(a), String(b)));
        const options = values.map((value) => make("option", { value: String(value) }, String(value)));
        const select = make("select", { "data-at": at }, make("option", { value: "" }, "all"), ...options);
        const label = make("label", {}, make("span", {}, column.label), select);
        this.tools.insertBefore(label, this.tools.querySelector(".clear"));
      });
    }

    sortable(column, at) {
      if (column.kind === "command") return;
      const button = make("button", { type: "button" }, ...column.th.childNodes);
      column.th.append(button);
      column.th.setAttribute("aria-sort", "none");
      button.addEventListener("click", () => {
        const first = column.down ? "descending" : "ascending";
        const other = column.down ? "ascending" : "descending";
        this.sorted = { at, way: this.sorted?.at === at && this.sorted.way === first ? other : first };
        this.update();
      });
    }

    listen() {
      let waiting;
      this.search.addEventListener("input", () => {
        clearTimeout(waiting);
        waiting = setTimeout(() => this.narrowed(), 120);
      });
      for (const select of this.selects) select.addEventListener("change", () => this.narrowed());
      this.tools.querySelector(".clear").addEventListener("click", () => {
        this.search.value = "";
        for (const select of this.selects) select.value = "";
        this.sorted = undefined;
        this.narrowed();
      });
      this.more.addEventListener("click", () => {
        const last = this.body.lastElementChild;
        this.limit += PAGE;
        this.update();
        if (this.more.hidden) last.nextElementSibling?.querySelector("button")?.focus();
      });
    }

    narrowed() {
      this.limit = this.first;
      this.update();
    }

    matching() {
      const words = this.search.value.toLowerCase().split(/\s+/).filter(Boolean);
      const wanted = this.selects.filter((select) => select.value).map((select) => [Number(select.dataset.at), select.value]);
      return this.rows.filter(
        (row) => words.every((word) => row.text.includes(word)) && wanted.every(([at, value]) => row.shown[at] === value),
      );
    }

    inOrder(rows) {
      if (!this.sorted) return rows;
      const { at, way } = this.sorted;
      const sign = way === "ascending" ? 1 : -1;
      const compare = this.columns[at].kind === "number" ? (a, b) => a - b : (a, b) => collator.compare(a, b);
      const known = rows.filter((row) => row.values[at] !== null);
      known.sort((a, b) => sign * compare(a.values[at], b.values[at]));
      return [...known, ...rows.filter((row) => row.values[at] === null)];
    }

    update(told = true) {
      const rows = this.inOrder(this.matching());
      const shown = rows.slice(0, this.limit);
      this.body.replaceChildren(...shown.map((row) => row.node));
      this.columns.forEach((column, at) => {
        if (column.kind !== "command") {
          column.th.setAttribute("aria-sort", this.sorted?.at === at ? this.sorted.way : "none");
        }
      });
      const left = rows.length - shown.length;
      this.more.hidden = left === 0;
      this.more.textContent = `Show ${Math.min(PAGE, left)} more of ${many(left, "row")}`;
      const order = this.sorted ? `, ${this.columns[this.sorted.at].label} ${this.sorted.way}` : "";
      const of = rows.length < this.rows.length ? `${rows.length.toLocaleString("en")} of ` : "";
      const match = of ? (rows.length === 1 ? " matches" : " match") : "";
      const first = left ? `; showing the first ${shown.length.toLocaleString("en")}` : "";
      const text = `${of}${many(this.rows.length, "row")}${match}${first}${order}`;
      if (told || this.status.textContent !== text) this.status.textContent = text;
    }
  }

  // Without the right to the clipboard: an invisible field is selected and copied, else the command is selected.
  const copied = async (code) => {
    try {
      await navigator.clipboard.writeText(code.textContent);
      return true;
    } catch {
      const field = make("textarea", { class: "unseen", readonly: "", "aria-hidden": "true" });
      field.value = code.textContent;
      document.body.append(field);
      field.select();
      let done = false;
      try {
        done = document.execCommand("copy");
      } catch {
        done = false;
      }
      field.remove();
      if (!done) getSelection().selectAllChildren(code);
      return done;
    }
  };

  const viewer = document.getElementById("viewer");
  const enlarge = (button) => {
    const small = button.querySelector("img");
    const large = viewer.querySelector("img");
    large.src = small.src;
    large.alt = small.alt;
    large.parentElement.classList.toggle("chart", button.classList.contains("chart"));
    viewer.querySelector(".title").textContent = button.dataset.title;
    viewer.querySelector(".words").textContent = small.alt;
    viewer.showModal();
    viewer.scrollTop = 0;
  };

  document.addEventListener("click", async (event) => {
    const picture = event.target.closest(".enlarge");
    if (picture) enlarge(picture);
    if (event.target === viewer) viewer.close();
    const button = event.target.closest(".copy");
    if (!button) return;
    const done = await copied(button.previousElementSibling);
    button.focus();
    said.textContent = done ? `Copied: ${button.previousElementSibling.textContent}` : "The command is selected: press Ctrl+C";
    button.textContent = done ? "Copied" : "Ctrl+C";
    setTimeout(() => (button.textContent = "Copy"), 2000);
  });

  document.documentElement.classList.add("js");
  for (const root of document.querySelectorAll(".grid")) new Grid(root);
})();
