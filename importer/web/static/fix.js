// The grid of problem rows: saves a cell as soon as it is left, and moves by keys. Without this file it is a form.
(() => {
  "use strict";

  const rule = document.getElementById("rule");
  const kind = document.getElementById("kind");
  kind?.addEventListener("change", () => { rule.dataset.kind = kind.value; });

  const form = document.getElementById("grid");
  if (!form) return;
  const said = document.getElementById("said");
  const CELLS = "tbody input, tbody textarea";
  const cells = () => [...form.querySelectorAll(CELLS)];
  const isCell = (element) => element.matches?.(CELLS);
  /** What the server has of each cell. */
  const before = (cell) => cell.dataset.saved ?? cell.defaultValue;
  const isChanged = (cell) => cell.value !== before(cell);
  const byId = (id) => id && document.getElementById(id);

  const say = (words) => {
    said.textContent = "";
    // Two equal sentences are said twice.
    setTimeout(() => { said.textContent = words; }, 30);
  };

  /** One change after the other: the answer to each shows the rows as they are then. */
  let last = Promise.resolve();
  let pending = 0;
  const send = (fields) => {
    pending += 1;
    last = last.then(() => post(fields)).catch(() => fail()).finally(() => { pending -= 1; });
    return last;
  };

  const fail = (words) => {
    say(words || form.dataset.failed);
    for (const cell of cells()) delete cell.dataset.sent;
    let alert = document.getElementById("unsaved");
    if (!alert) {
      alert = document.createElement("p");
      alert.id = "unsaved";
      alert.className = "alert bad";
      alert.setAttribute("role", "alert");
      form.prepend(alert);
    }
    alert.textContent = words || form.dataset.failed;
  };

  /** What every change says beside the cells. */
  const hidden = () => Object.fromEntries(["token", "places", "reading"].map((name) => [name, form.elements[name].value]));

  const post = async (fields) => {
    const body = new URLSearchParams({ ...hidden(), ...fields });
    const keepalive = body.toString().length < 60000;
    const answer = await fetch(form.getAttribute("action"), { method: "POST", body, keepalive, headers: { accept: "application/json" } });
    if (!answer.ok || !(answer.headers.get("content-type") || "").includes("json")) {
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const fault = page.querySelector("[role=alert]");
      fail(fault ? fault.textContent.trim() : "");
      return;
    }
    document.getElementById("unsaved")?.remove();
    const news = await answer.json();
    // Other rules: every row is checked again.
    if (news.moved) location.assign(news.moved);
    else show(news);
  };

  const show = (news) => {
    const focused = document.activeElement;
    for (const [row, html] of Object.entries(news.rows)) {
      const old = document.getElementById(`row-${row}`);
      if (!old) continue;
      const part = document.createElement("template");
      part.innerHTML = html.trim();
      const made = part.content.firstElementChild;
      // What is being typed in another cell of the row stays.
      for (const cell of old.querySelectorAll("input, textarea")) {
        const same = made.querySelector(`#${cell.id}`);
        if (same && isChanged(cell) && cell.dataset.sent !== cell.value) {
          same.dataset.saved = same.value;
          same.value = cell.value;
        }
      }
      const holds = old.contains(focused);
      const place = holds && focused.selectionStart;
      old.replaceWith(made);
      if (holds) {
        const out = ["in", "out"].includes(focused.name) && made.querySelector("button[name=in], button[name=out]");
        const again = byId(focused.id) || out || made.querySelector("input, textarea, button");
        (again || byId("recheck")).focus();
        if (isCell(again || form) && typeof place === "number") again.setSelectionRange(place, place);
      }
    }
    document.getElementById("states").innerHTML = news.bar;
    news.counts.forEach((count, at) => {
      const place = document.querySelector(`[data-group="${at}"]`);
      if (place && news.counts.length === document.querySelectorAll("[data-group]").length) place.textContent = count.toLocaleString("en");
    });
    for (const step of ["undo", "redo"]) document.getElementById(step).disabled = !news[step];
    const all = byId("use-all");
    if (all) all.disabled = !form.querySelector("[data-for]");
    if (news.said) say(news.said);
  };

  const save = (cell) => {
    if (!isChanged(cell) || cell.dataset.sent === cell.value) return last;
    cell.dataset.sent = cell.value;
    return send({ [cell.name]: cell.value });
  };

  const go = (cell) => {
    if (!cell) return;
    cell.focus();
    cell.select?.();
  };

  const nextProblem = (cell) => {
    const every = cells();
    const at = every.indexOf(cell);
    const row = cell.closest("tr");
    return every.slice(at + 1).find((one) => one.getAttribute("aria-invalid") && (one.closest("tr") !== row || row.dataset.state === "open"));
  };

  const vertical = (cell, step) => {
    const every = cells();
    const own = cell.closest("tr");
    const others = step > 0 ? every.slice(every.indexOf(cell) + 1) : every.slice(0, every.indexOf(cell)).reverse();
    const first = others.find((one) => one.closest("tr") !== own);
    if (!first) return null;
    const row = first.closest("tr");
    return row.querySelector(`[data-place="${cell.dataset.place}"]:is(input, textarea)`) || row.querySelector("input, textarea");
  };

  const use = (cell) => {
    const button = form.querySelector(`[data-for="${cell.id}"]`);
    if (!button) return false;
    cell.value = button.dataset.text;
    return true;
  };

  const toggle = (row) => {
    const button = row.querySelector("button[name=out], button[name=in]");
    return button ? send({ [button.name]: button.value }) : last;
  };

  /** Leaves the row out and goes to the next problem, or takes it in again. */
  const decide = async (row) => {
    const next = row.dataset.state !== "out" && cells().slice(cells().indexOf([...row.querySelectorAll("input, textarea")].pop()) + 1);
    await toggle(row);
    if (next) go(next.find((one) => one.isConnected && one.getAttribute("aria-invalid")) || byId("next") || byId("recheck"));
  };

  const saveAndGoOn = async (cell) => {
    const id = cell.id;
    await save(cell);
    const here = byId(id) || cell;
    if (here.isConnected) go(nextProblem(here) || byId("next") || byId("recheck"));
  };

  form.addEventListener("keydown", (event) => {
    const cell = event.target;
    const row = cell.closest("tr");
    if (event.isComposing) return;
    if (event.key === "F8" && row?.dataset.row) {
      event.preventDefault();
      decide(row);
      return;
    }
    if (!isCell(cell)) return;
    if ((event.key === "Enter" && event.altKey) || (event.key === " " && event.ctrlKey)) {
      event.preventDefault();
      if (use(cell)) saveAndGoOn(cell);
    } else if (event.key === "Enter" && !(cell.tagName === "TEXTAREA" && event.shiftKey)) {
      event.preventDefault();
      saveAndGoOn(cell);
    } else if (event.key === "Escape") {
      cell.value = before(cell);
    } else if ((event.key === "ArrowDown" || event.key === "ArrowUp") && cell.tagName === "INPUT") {
      event.preventDefault();
      go(vertical(cell, event.key === "ArrowDown" ? 1 : -1));
    }
  });

  // Wherever the focus is: when every row was checked again, it is in no cell.
  document.addEventListener("keydown", (event) => {
    const field = event.target;
    const key = event.key.toLowerCase();
    if (!(event.ctrlKey || event.metaKey) || event.altKey || event.isComposing || !["z", "y"].includes(key)) return;
    if (!byId("undo") || (field.matches("input, textarea") && (!isCell(field) || isChanged(field)))) return; // the browser's own undo
    event.preventDefault();
    send({ step: key === "y" || event.shiftKey ? "redo" : "undo" });
  });

  form.addEventListener("focusout", (event) => { if (isCell(event.target)) save(event.target); });

  form.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (!button) return;
    event.preventDefault();
    if (button.id === "use-all") {
      for (const cell of cells()) save(cell);
      send({ rows: [...form.querySelectorAll("tr[data-row]")].map((row) => row.dataset.row).join(), use: "all" });
    } else if (button.name === "use") {
      const cell = byId(button.dataset.for);
      if (use(cell)) saveAndGoOn(cell);
    } else if (button.name === "out" || button.name === "in") {
      toggle(button.closest("tr"));
    } else if (button.name === "step") {
      send({ step: button.value });
    } else {
      for (const cell of cells()) save(cell);
    }
  });
  form.addEventListener("submit", (event) => event.preventDefault());

  // The next page is asked for when the last change has arrived.
  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[href]");
    if (!link || !pending || event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
    event.preventDefault();
    last.then(() => { if (!byId("unsaved")) location.assign(link.href); });
  });
  document.addEventListener("submit", (event) => {
    if (event.target === form || !pending) return;
    event.preventDefault();
    last.then(() => { if (!byId("unsaved")) event.target.requestSubmit(event.submitter); });
  });

  // What was typed is not lost when the page is left by the mouse: the cell loses the focus first.
  window.addEventListener("pagehide", () => {
    const open = cells().find((cell) => isChanged(cell) && cell.dataset.sent !== cell.value);
    if (open) navigator.sendBeacon(form.getAttribute("action"), new URLSearchParams({ ...hidden(), [open.name]: open.value }));
  });
})();
