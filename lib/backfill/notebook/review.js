// The rows of a review: filtered, sorted, a page at a time; a click or a key settles one or all shown.
const PAGE = 50;
const COLUMNS = [["kind", "what"], ["about", "about"], ["read", "read"], ["why", "why"], ["answer", "answer"]];

function make(tag, given = {}, ...children) {
  const node = Object.assign(document.createElement(tag), given);
  node.append(...children);
  return node;
}

function render({ model, el }) {
  const state = { text: "", kind: "", open: false, sort: "", down: false, page: 0 };
  const crops = new Map();
  const wanted = new Map();

  const root = make("div", { className: "backfill-review" });
  const search = make("input", { type: "search", placeholder: "find" });
  search.setAttribute("aria-label", "find rows");
  const kinds = make("select");
  kinds.setAttribute("aria-label", "what is asked");
  const open = make("input", { type: "checkbox", id: `open-${Math.random()}` });
  const count = make("span");
  count.setAttribute("role", "status");
  const all = make("span", { className: "bar" });
  const body = make("tbody");
  const head = make("tr");
  const pages = make("div", { className: "bar" });
  const said = make("div", { className: "said" });
  said.setAttribute("role", "status");
  const large = make("dialog");
  large.setAttribute("aria-label", "cut-out, full size");

  const shown = () => {
    const text = state.text.toLowerCase();
    const rows = model.get("rows").filter((row) =>
      (!state.kind || row.kind === state.kind) && (!state.open || !row.answer) &&
      (!text || [row.kind, row.about, row.read, row.why, row.answer, row.by].join(" ").toLowerCase().includes(text)));
    if (state.sort) {
      const turn = state.down ? -1 : 1;
      rows.sort((a, b) => turn * String(a[state.sort]).localeCompare(String(b[state.sort]), "en", { numeric: true }));
    }
    return rows;
  };
  const settle = (rows, answer) => model.send({ places: rows.map((row) => row.place), answer });

  function choice(row) {
    if (row.candidates.length) {
      return make("div", { className: "candidates" }, ...row.candidates.map(([word, gives]) => {
        const button = make("button", { onclick: () => settle([row], word) }, word);
        if (gives) button.append(make("span", { className: "gives" }, gives));
        button.dataset.place = `${row.place}/${word}`;
        button.setAttribute("aria-pressed", String(row.answer === word));
        button.setAttribute("aria-label", `${word} for ${row.about}${gives ? `, gives ${gives}` : ""}`);
        return button;
      }));
    }
    const right = make("input", { value: row.answer, placeholder: "what is right" });
    right.setAttribute("aria-label", `what is right, ${row.kind} of ${row.about}`);
    right.dataset.place = row.place;
    const write = () => settle([row], right.value);
    right.onkeydown = (event) => { if (event.key === "Enter") write(); };
    const as_read = make("button", { onclick: () => settle([row], row.read) }, "as read");
    as_read.setAttribute("aria-label", `as read, ${row.kind} of ${row.about}`);
    return make("div", { className: "candidates" }, right, make("button", { onclick: write }, "write"),
      ...(row.read ? [as_read] : []));
  }

  function picture(row) {
    const image = make("img", { alt: `${row.kind} of ${row.about}, as it stands on the image` });
    const button = make("button", { className: "crop", onclick: () => enlarge(image) }, image);
    button.setAttribute("aria-label", `full size: ${row.about}`);
    if (crops.has(row.crop)) image.src = crops.get(row.crop);
    else {
      wanted.set(row.crop, [...(wanted.get(row.crop) || []), image]);
      model.send({ crop: row.crop });
    }
    return button;
  }

  function enlarge(image) {
    const close = make("button", { onclick: () => large.close() }, "close");
    large.replaceChildren(make("img", { src: image.src, alt: image.alt }), close);
    large.showModal();
    close.focus();
  }

  function line(row) {
    const about = make("td", {}, row.about);
    if (row.crop) about.append(picture(row));
    const answered = make("td", {}, choice(row));
    if (row.answer) {
      const who = [row.answer, row.by && `by ${row.by}`, row.at].filter(Boolean).join(", ");
      answered.append(make("span", { className: "who" }, who));
    }
    return make("tr", {}, make("td", { className: "kind" }, row.kind.replaceAll("_", " ")), about,
      make("td", { className: "read" }, row.read), make("td", {}, row.why), answered);
  }

  function draw() {
    const focused = document.activeElement?.dataset?.place;
    const every = model.get("rows");
    const rows = shown();
    const last = Math.max(0, Math.ceil(rows.length / PAGE) - 1);
    state.page = Math.min(state.page, last);
    const from = state.page * PAGE;
    body.replaceChildren(...rows.slice(from, from + PAGE).map(line));
    const waiting = every.filter((row) => !row.answer).length;
    count.textContent = `${rows.length.toLocaleString("en")} of ${every.length.toLocaleString("en")} rows, ` +
      `${waiting.toLocaleString("en")} to settle`;
    const step = (label, page, is_off) => make("button", {
      disabled: is_off, onclick: () => { state.page = page; draw(); } }, label);
    pages.replaceChildren(...(last ? [step("back", state.page - 1, state.page === 0),
      make("span", {}, `page ${state.page + 1} of ${last + 1}`), step("on", state.page + 1, state.page === last)] : []));
    const words = rows.length && rows.every((row) => row.candidates.length)
      ? rows[0].candidates.map(([word]) => word).filter((word) =>
          rows.every((row) => row.candidates.some(([other]) => other === word))) : [];
    all.replaceChildren(...(rows.length > 1 && words.length
      ? ["all shown:", ...words.map((word) => make("button", { onclick: () => settle(rows, word) }, word))] : []));
    const marks = ["", ...new Set(every.map((row) => row.kind))];
    if (kinds.options.length !== marks.length)
      kinds.replaceChildren(...marks.map((kind) => make("option", { value: kind }, kind.replaceAll("_", " ") || "everything")));
    head.replaceChildren(...COLUMNS.map(([name, label]) => {
      const mark = state.sort === name ? (state.down ? " ▾" : " ▴") : "";
      const cell = make("th", { scope: "col" }, make("button", {
        onclick: () => { state.down = state.sort === name && !state.down; state.sort = name; draw(); } }, label + mark));
      if (mark) cell.setAttribute("aria-sort", state.down ? "descending" : "ascending");
      return cell;
    }));
    said.textContent = model.get("said");
    if (focused) root.querySelector(`[data-place="${CSS.escape(focused)}"]`)?.focus();
  }

  search.oninput = () => { state.text = search.value; state.page = 0; draw(); };
  kinds.onchange = () => { state.kind = kinds.value; state.page = 0; draw(); };
  open.onchange = () => { state.open = open.checked; state.page = 0; draw(); };
  model.on("change:rows", draw);
  model.on("change:said", draw);
  model.on("msg:custom", (message) => {
    if (!("crop" in message)) return;
    crops.set(message.crop, message.data);
    for (const image of wanted.get(message.crop) || []) image.src = message.data;
    wanted.delete(message.crop);
  });
  const label = make("label", { htmlFor: open.id }, "only what waits");
  root.append(make("div", { className: "bar" }, search, kinds, open, label, count), all, said,
    make("table", {}, make("thead", {}, head), body), pages, large);
  el.append(root);
  draw();
}

export default { render };
