// Tables that sort and filter, charts, grids whose cells open, examples, runs. Data come as scripts, since a page that is
// opened from a folder may not fetch files.
"use strict";

const pmrl = {
  received: {},
  receive(name, content) {
    pmrl.received[name] = content;
  },

  // Load a script once; resolves when it has run.
  script(source) {
    pmrl.scripts ??= {};
    return (pmrl.scripts[source] ??= new Promise((resolve, reject) => {
      const element = Object.assign(document.createElement("script"), { src: source, onload: resolve, onerror: reject });
      document.head.append(element);
    }));
  },

  async data(name) {
    await pmrl.script(`data/${name}.js`);
    return pmrl.received[name];
  },
};
window.pmrl = pmrl;

// The choices of a page stand in its address, so that a link can lead to them.
const address = {
  read: () => new URLSearchParams(location.hash.slice(1)),
  write(key, value) {
    const all = address.read();
    all.set(key, value);
    history.replaceState(null, "", `#${all}`);
  },
};

const element = (tag, properties = {}, ...children) => {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children.filter((child) => child != null));
  return made;
};
const every = (selector, within = document) => [...within.querySelectorAll(selector)];
const shown = (value, decimals = 1) => (value == null ? "–" : value.toFixed(decimals).replace("-", "−"));
const signed = (value) => (value == null ? "–" : (value > 0 ? "+" : "") + shown(value));

// A form of choices: {key: value}, and a call at every change.
function choices(form, changed) {
  const selects = every("select", form);
  const values = () => Object.fromEntries(selects.map((select) => [select.dataset.key, select.value]));
  const adopt = () => {
    const asked = address.read();
    for (const select of selects) {
      const value = asked.get(select.dataset.key);
      if (value != null && every("option", select).some((option) => option.value === value)) select.value = value;
    }
    changed(values());
  };
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("change", (event) => {
    address.write(event.target.dataset.key, event.target.value);
    changed(values());
  });
  window.addEventListener("hashchange", adopt);
  adopt();
}

function filterable(form) {
  const rows = every("tbody tr", document.getElementById(form.dataset.filters));
  choices(form, (values) => {
    for (const row of rows) {
      row.hidden = Object.entries(values).some(([key, value]) => value && !(row.dataset[key] ?? "").split(",").includes(value));
    }
    form.querySelector("output").textContent = `${rows.filter((row) => !row.hidden).length} of ${rows.length} rows`;
  });
}

function sortable(table) {
  const heads = every("thead th", table);
  const body = table.tBodies[0];
  const order = (cell) => (cell.dataset.value === "" || isNaN(cell.dataset.value) ? null : Number(cell.dataset.value));
  heads.forEach((head, column) => {
    head.querySelector("button").addEventListener("click", () => {
      const down = head.getAttribute("aria-sort") === "ascending";
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const keyed = [...body.rows].map((row) => ({ row, cell: row.cells[column] }));
      keyed.sort((first, second) => {
        const [a, b] = [first.cell.dataset.value, second.cell.dataset.value];
        if (a === "" || b === "") return (a === "") - (b === ""); // what is missing stands last
        const [x, y] = [order(first.cell), order(second.cell)];
        return (down ? -1 : 1) * (x != null && y != null ? x - y : a.localeCompare(b));
      });
      body.append(...keyed.map((one) => one.row));
    });
  });
}

// Charts: compiled before, drawn here; choices of the page are signals of its charts.
async function draw(place) {
  const name = place.dataset.name;
  const [specification] = await Promise.all([pmrl.data(name), pmrl.script(pmrl.vega)]);
  const { view } = await vegaEmbed(place, specification, { mode: "vega", renderer: "svg", actions: false, logLevel: 1 });
  place.view = view;
  await steer(place);
  place.dispatchEvent(new Event("drawn"));
}

// Hand the page's choices to a chart, as far as it has such signals.
function steer(place) {
  const known = place.view.getState().signals;
  for (const [key, value] of Object.entries(place.signals ?? {})) {
    if (key in known) place.view.signal(key, value);
  }
  return place.view.resize().runAsync();
}

function steering(form) {
  choices(form, (values) => {
    for (const place of every(".chart")) {
      place.signals = { ...place.signals, ...values };
      if (place.view) steer(place);
    }
    for (const part of every("[data-shown-for]")) {
      const [key, value] = part.dataset.shownFor.split("=");
      if (key in values) part.hidden = !value.split(",").includes(values[key]);
    }
  });
}

// Items: a picture, a clip, a sound, a text, or bars of features.
function view(item, modality, id) {
  const about = (item ?? {})[modality];
  if (about == null) return element("span", { className: "words", textContent: id });
  if (typeof about === "string") return element("span", { className: "words", textContent: about, dir: "auto" });
  if (about.bars) {
    const width = 100 / about.bars.length;
    const path = about.bars.map((value, at) => `M${(at + 0.5) * width} 50V${50 - 15 * value}`).join("");
    const holder = element("div");
    holder.innerHTML = `<svg class="bars" viewBox="0 0 100 100" preserveAspectRatio="none" role="img" aria-label="features of ${modality}"><path d="${path}" stroke="currentColor" stroke-width="${width * 0.7}"/></svg>`;
    return holder.firstChild;
  }
  const parts = [];
  if (about.picture) parts.push(element("img", { src: about.picture, alt: `${modality} of ${id}`, loading: "lazy" }));
  if (about.clip) parts.push(element("video", { src: about.clip, controls: true, loop: true, muted: true, preload: "metadata" }));
  if (about.sound) parts.push(element("audio", { src: about.sound, controls: true, preload: "none" }));
  return element("div", {}, ...parts);
}

function answers(query, gallery, answered, items) {
  const figure = (id, modality, caption, kind) =>
    element("figure", { className: kind }, view(items[id], modality, id), element("figcaption", { textContent: caption }));
  const parts = [element("div", { className: "answers" }, figure(answered.item, query, `query: ${query}`, "query"))];
  for (const [method, found] of Object.entries(answered.methods)) {
    const row = element("div", { className: "answers" });
    found.forEach(([id, correct], place) => {
      row.append(figure(id, gallery, correct ? `✓ ${place + 1}: the relevant one` : `${place + 1}`, correct ? "correct" : ""));
    });
    parts.push(element("p", { className: "method-name", textContent: found.some(([, correct]) => correct) ? method : `${method}: not among the first ${found.length}` }), row);
  }
  return parts;
}

function details(title, ...content) {
  const close = element("button", { className: "close", type: "button", textContent: "Close" });
  const box = element("dialog", { className: "details md-typeset" }, close, element("h2", { textContent: title }), ...content);
  close.addEventListener("click", () => box.close());
  box.addEventListener("close", () => box.remove());
  document.body.append(box);
  box.showModal();
}

const small = (headers, rows) => {
  const head = element("tr", {}, ...headers.map((name) => element("th", { textContent: name, scope: "col" })));
  const body = rows.map((row) => element("tr", {}, ...row.map((value) => element("td", { textContent: value }))));
  return element("div", { className: "scroll" }, element("table", { className: "numbers plain" }, element("thead", {}, head), element("tbody", {}, ...body)));
};

// The grid of all ordered pairs: recall of a method, or its difference to a rival.
async function grid(form) {
  const place = document.getElementById(form.dataset.grid);
  const methods = JSON.parse(form.dataset.methods);
  choices(form, async ({ dataset, regime, method, rival }) => {
    const data = await pmrl.data(`pairs_${dataset}`);
    const of = (who, query, gallery) => data.values[[regime, who, query, gallery].join("/")];
    const mean = (values) => (values ? Object.values(values).reduce((sum, value) => sum + value, 0) / Object.keys(values).length : null);
    const paired = (query, gallery) => {
      const [own, other] = [of(method, query, gallery), of(rival, query, gallery)];
      const both = own && other ? Object.keys(own).filter((seed) => seed in other) : [];
      return both.length ? both.reduce((sum, seed) => sum + own[seed] - other[seed], 0) / both.length : null;
    };
    const value = (query, gallery) => (rival ? paired(query, gallery) : mean(of(method, query, gallery)));
    const all = data.modalities.flatMap((query) => data.modalities.map((gallery) => value(query, gallery))).filter((one) => one != null);
    const most = Math.max(1e-9, ...all.map(Math.abs));
    const head = element("tr", {}, element("th", { textContent: "query ↓ gallery →" }), ...data.modalities.map((name) => element("th", { textContent: name, scope: "col" })));
    const rows = data.modalities.map((query) => {
      const row = element("tr", {}, element("th", { textContent: query, scope: "row" }));
      for (const gallery of data.modalities) {
        const cell = element("td");
        if (query !== gallery) {
          const found = value(query, gallery);
          const reason = found == null ? data.reasons[method] || data.reasons[rival] || "these runs have not finished" : "";
          const button = element("button", { type: "button", textContent: rival ? signed(found) : shown(found), title: reason || `${query} → ${gallery}` });
          if (found != null) {
            const share = Math.abs(found) / most;
            // blue where the method is above, orange where the rival is; the sign says it without colour
            const light = 96 - 60 * share;
            button.style.background = `hsl(${found < 0 ? 28 : 205} 75% ${light}%)`;
            button.className = light < 46 ? "dark" : "light";
          }
          button.addEventListener("click", () => open(query, gallery, reason));
          cell.append(button);
        }
        row.append(cell);
      }
      return row;
    });
    place.replaceChildren(element("table", { className: "pairs" }, element("thead", {}, head), element("tbody", {}, ...rows)));
    form.querySelector("output").textContent = rival
      ? `${methods[method]} is above ${methods[rival]} in ${all.filter((one) => one > 0).length} of ${all.length} pairs`
      : `mean of ${all.length} pairs: ${shown(all.reduce((sum, one) => sum + one, 0) / all.length)}`;

    async function open(query, gallery, reason) {
      const compared = [method, rival].filter(Boolean);
      const seeds = [...new Set(compared.flatMap((who) => Object.keys(of(who, query, gallery) ?? {})))];
      const rows = compared.map((who) => {
        const values = of(who, query, gallery) ?? {};
        return [methods[who], ...seeds.map((seed) => shown(values[seed])), shown(mean(of(who, query, gallery)))];
      });
      if (rival) {
        const [own, other] = [of(method, query, gallery) ?? {}, of(rival, query, gallery) ?? {}];
        rows.push(["difference", ...seeds.map((seed) => signed(seed in own && seed in other ? own[seed] - other[seed] : null)), signed(paired(query, gallery))]);
      }
      const content = [small(["recall@1 (%)", ...seeds.map((seed) => `seed ${seed}`), "mean"], rows)];
      if (reason) content.unshift(element("p", { textContent: `– ${reason}` }));
      content.push(element("p", { textContent: "These commands make the cell again:" }), element("pre", {}, element("code", { textContent: compared.map((who) => data.commands[who]).join("\n") })));
      const examples = await pmrl.data(`examples_${dataset}`);
      const answered = (examples.pairs[`${query} → ${gallery}`] ?? [])[0];
      if (answered) content.push(element("p", { textContent: "An example query, zero-shot, of the first seed:" }), ...answers(query, gallery, answered, examples.items));
      else content.push(element("p", { textContent: "No example queries are recorded for this pair." }));
      details(`${data.title}: ${query} → ${gallery}`, ...content);
    }
  });
}

// Queries with the five best answers of each method.
async function examples(form) {
  const place = document.getElementById(form.dataset.examples);
  const pairs = form.querySelector('select[data-key="pair"]');
  let current = "";
  choices(form, async (values) => {
    const data = await pmrl.data(`examples_${values.dataset}`);
    if (current !== values.dataset) {
      current = values.dataset;
      pairs.replaceChildren(...Object.keys(data.pairs).map((name) => element("option", { value: name, textContent: name })));
      const asked = address.read().get("pair");
      pairs.value = asked in data.pairs ? asked : data.best;
    }
    const answered = data.pairs[pairs.value] ?? [];
    const [query, gallery] = (pairs.value || " → ").split(" → ");
    place.replaceChildren(...answered.flatMap((one) => answers(query, gallery, one, data.items)), ...(answered.length ? [] : [element("p", { textContent: "– No example queries are recorded for this data set." })]));
    form.querySelector("output").textContent = `${answered.length} queries`;
  });
}

// A few items of a data set in all modalities, loaded when they are asked for.
function samples(place) {
  place.addEventListener("toggle", async () => {
    const { modalities, items } = await pmrl.data(`samples_${place.dataset.samples}`);
    const rows = items.map(([id, item]) => {
      const figures = modalities.map((modality) => element("figure", {}, view(item, modality, "–"), element("figcaption", { textContent: modality })));
      return element("div", { className: "answers" }, ...figures);
    });
    place.lastElementChild.replaceChildren(...rows);
  }, { once: true });
}

// A run: its settings, curves, versions and digests.
function runs(table) {
  table.addEventListener("click", async (event) => {
    const button = event.target.closest("button[data-run]");
    if (!button) return;
    const [dataset] = button.dataset.run.split("/");
    const run = (await pmrl.data(`runs_${dataset}`))[button.dataset.run];
    const flat = (value, key = "") => (value && typeof value === "object" && !Array.isArray(value) ? Object.entries(value).flatMap(([name, part]) => flat(part, key ? `${key}.${name}` : name)) : [[key, JSON.stringify(value)]]);
    const content = [small(["", ""], run.facts)];
    if (run.curves.length) {
      const select = element("select", {}, ...Object.keys(Object.groupBy(run.curves, (row) => row[0])).map((name) => element("option", { value: name, textContent: name })));
      const place = element("div", { className: "chart" });
      place.dataset.name = "chart_run";
      content.push(element("div", { className: "choices" }, element("label", {}, "quantity ", select)), place);
      const refresh = () => {
        const rows = run.curves.filter((row) => row[0] === select.value).map(([, stage, step, value]) => ({ stage, step, value }));
        place.view.data("run", rows).resize().runAsync();
      };
      place.addEventListener("drawn", refresh);
      select.addEventListener("change", refresh);
      setTimeout(() => draw(place));
    }
    content.push(element("h3", { textContent: "Settings" }), small(["key", "value"], flat(run.settings)));
    details(button.dataset.run, ...content);
  });
}

document.addEventListener("DOMContentLoaded", () => {
  pmrl.vega = new URL("vega.js", document.querySelector('script[src$="assets/site.js"]').src).href;
  every("table.numbers").forEach(sortable);
  every("form[data-filters]").forEach(filterable);
  every("form[data-grid]").forEach(grid);
  every("form[data-examples]").forEach(examples);
  every("details[data-samples]").forEach(samples);
  every("table.numbers").forEach(runs);
  every("form[data-charts]").forEach(steering);
  every(".chart[data-script]").forEach(draw);
});
