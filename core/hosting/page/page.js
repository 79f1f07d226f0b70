// The page of a deployment: asks what the model takes, makes a form of it, sends it, shows the answer.
// Whatever comes from the gateway becomes text, a value or the source of a picture; never markup.
"use strict";

const $ = (id) => document.getElementById(id);
// The deployment's own folder, whatever lies before it: a tunnel's port, a proxy's prefix, Runway's host name.
const base = new URL(".", location.href);
const name = decodeURIComponent(base.pathname.split("/").filter(Boolean).pop() || base.host).split(".")[0];
const shelf = "tarmac token " + base.pathname;
const NOWHERE = "https://gateway.invalid";
let about = null;
let fields = [];
let running = null;

function make(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [key, value] of Object.entries(attributes)) {
    if (key in made && typeof value !== "string") made[key] = value;
    else made.setAttribute(key, value);
  }
  made.append(...children);
  return made;
}

// -- asking the gateway

class Refusal extends Error {
  constructor(status, words) {
    super(words);
    this.status = status;
  }
}

async function ask(path, { data, signal, raw } = {}) {
  const headers = { Accept: "application/json" };
  const token = sessionStorage.getItem(shelf);
  if (token) headers.Authorization = "Bearer " + token;
  if (data !== undefined) headers["Content-Type"] = "application/json";
  let reply;
  try {
    reply = await fetch(new URL(path, base), {
      method: data === undefined ? "GET" : "POST",
      body: data === undefined ? undefined : JSON.stringify(data),
      headers,
      signal,
      cache: "no-store",
      credentials: "omit",
    });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Refusal(0, "The gateway cannot be reached. If this is a tunnel, see whether it is still open.");
  }
  if (raw && reply.ok) return reply;
  const answer = await reply.json().catch(() => ({}));
  if (!reply.ok) {
    const error = answer.error;
    const words = typeof error === "string" ? error : (error && error.message) || "It answered " + reply.status + ".";
    throw new Refusal(reply.status, words);
  }
  return answer;
}

// -- a field for each data type: { element, read() -> JSON form or undefined, isDefault() }

function draw(spec, seed, spread) {
  // mulberry32, and normal numbers of Box and Muller: the same seed draws the same vector.
  let state = seed >>> 0;
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let bits = Math.imul(state ^ (state >>> 15), 1 | state);
    bits = (bits + Math.imul(bits ^ (bits >>> 7), 61 | bits)) ^ bits;
    return ((bits ^ (bits >>> 14)) >>> 0) / 4294967296;
  };
  const normal = () => Math.sqrt(-2 * Math.log(1 - next())) * Math.cos(2 * Math.PI * next());
  return Array.from({ length: spec.length }, () => Math.fround(spec.samplingMean + spread * spec.samplingStd * normal()));
}

const anySeed = (most = 2 ** 31 - 1) => Math.floor(Math.random() * (most + 1));

const upper = (words) => words.slice(0, 1).toUpperCase() + words.slice(1);

function frame(spec, id, ...children) {
  const allowed = spec.allowed === "a text" || spec.type === "boolean" ? "" : upper(spec.allowed);
  const words = [spec.description, allowed].filter(Boolean).join(". ");
  const hint = make("p", { class: "hint", id: id + "-hint" }, words);
  return make("div", { class: "field" }, make("label", { for: id }, spec.label), ...children, hint);
}

function numberField(spec, id) {
  const whole = Number.isInteger(spec.step) && Number.isInteger(spec.min ?? 0);
  const box = make("input", { type: "number", id, "aria-describedby": id + "-hint", step: String(spec.step ?? "any") });
  const row = make("div", { class: "row" });
  if (spec.min !== undefined) box.min = spec.min;
  if (spec.max !== undefined) box.max = spec.max;
  box.value = spec.default ?? "";
  if (spec.min !== undefined && spec.max !== undefined && spec.max - spec.min <= 10000) {
    const attributes = { type: "range", "aria-label": spec.label, min: String(spec.min), max: String(spec.max) };
    const slider = make("input", { ...attributes, step: String(spec.step ?? "any") });
    slider.value = box.value;
    slider.addEventListener("input", () => (box.value = slider.value));
    box.addEventListener("input", () => (slider.value = box.value));
    row.append(slider);
  }
  row.append(box);
  if (/seed/i.test(spec.name) && whole) {
    const button = make("button", { type: "button" }, "Random");
    button.addEventListener("click", () => {
      box.value = (spec.min ?? 0) + anySeed(Math.min((spec.max ?? 2 ** 31 - 1) - (spec.min ?? 0), 2 ** 31 - 1));
      box.dispatchEvent(new Event("input"));
    });
    row.append(button);
  }
  const read = () => {
    if (box.validity.badInput) throw new Refusal(400, spec.label + " is not a number.");
    return box.value === "" ? undefined : Number(box.value);
  };
  return { element: frame(spec, id, row), read };
}

function textField(spec, id) {
  const box = make("textarea", { id, "aria-describedby": id + "-hint", class: spec.name === "prompt" ? "large" : "" });
  box.value = spec.default ?? "";
  return { element: frame(spec, id, box), read: () => box.value };
}

function booleanField(spec, id) {
  const box = make("input", { type: "checkbox", role: "switch", id, "aria-describedby": id + "-hint" });
  box.checked = spec.default === true;
  return { element: frame(spec, id, make("div", { class: "row" }, box)), read: () => box.checked };
}

function categoryField(spec, id) {
  const box = make("select", { id, "aria-describedby": id + "-hint" });
  for (const choice of spec.oneOf) box.append(make("option", { value: choice }, choice));
  box.value = spec.default;
  return { element: frame(spec, id, box), read: () => box.value };
}

function pictureField(spec, id, several) {
  const box = make("input", { type: "file", accept: "image/*", id, "aria-describedby": id + "-hint" });
  box.multiple = several;
  const shown = make("div");
  let pictures = [];
  let reading = Promise.resolve();
  box.addEventListener("change", () => {
    reading = Promise.all([...box.files].map(dataUri)).then((uris) => {
      pictures = uris;
      shown.replaceChildren(...uris.map((uri) => make("img", { class: "preview", src: uri, alt: "The chosen picture" })));
    });
  });
  const element = frame(spec, id, box, shown);
  if (spec.labelToColor) {
    const legend = make("p", { class: "hint" });
    for (const [label, color] of Object.entries(spec.labelToColor)) {
      const swatch = make("span", { class: "swatch" });
      swatch.style.backgroundColor = "rgb(" + color.join(",") + ")";
      legend.append(swatch, " " + label + "  ");
    }
    element.append(legend);
  }
  const read = async () => {
    await reading;
    return several ? pictures : pictures[0];
  };
  return { element, read };
}

function dataUri(file) {
  return new Promise((done, failed) => {
    const reader = new FileReader();
    reader.onload = () => done(reader.result);
    reader.onerror = () => failed(new Refusal(0, "The file " + file.name + " cannot be read."));
    reader.readAsDataURL(file);
  });
}

function vectorField(spec, id) {
  const attributes = { type: "number", step: "1", min: "0", max: String(2 ** 32 - 1), id, "aria-describedby": id + "-hint" };
  const seed = make("input", attributes);
  const spread = make("input", { type: "range", id: id + "-spread", min: "0", max: "2", step: "0.05" });
  const typed = make("input", { type: "number", min: "0", max: "2", step: "0.05", "aria-label": "Spread of " + spec.label });
  const button = make("button", { type: "button" }, "Random");
  const canvas = make("canvas", { width: "600", height: "60", role: "img", "aria-label": "Its numbers, drawn" });
  const numbers = make("textarea", { id: id + "-numbers", class: "large", spellcheck: "false" });
  let value = [];
  let changed = false;
  const show = () => {
    numbers.value = JSON.stringify(value);
    paint(canvas, value, spec);
  };
  const redraw = () => {
    changed = true;
    typed.value = spread.value;
    value = draw(spec, Number(seed.value) || 0, Number(spread.value));
    show();
  };
  spread.value = typed.value = 1;
  seed.value = anySeed();
  button.addEventListener("click", () => ((seed.value = anySeed()), redraw()));
  seed.addEventListener("input", redraw);
  spread.addEventListener("input", redraw);
  typed.addEventListener("input", () => {
    spread.value = typed.value;
    value = draw(spec, Number(seed.value) || 0, Number(typed.value) || 0);
    changed = true;
    show();
  });
  numbers.addEventListener("input", () => {
    changed = true;
    try {
      value = JSON.parse(numbers.value);
      paint(canvas, Array.isArray(value) ? value : [], spec);
    } catch {
      value = null;
    }
  });
  redraw();
  changed = false;
  if (spec.default) {
    value = spec.default;
    show();
  }
  const element = frame(spec, id, make("div", { class: "row" }, make("span", {}, "Seed"), seed, button), canvas);
  const words = make("label", { for: id + "-spread" }, "Spread");
  element.append(make("div", { class: "row" }, words, spread, typed));
  const label = make("label", { for: id + "-numbers", class: "hint" }, "As a list of numbers");
  element.append(make("details", {}, make("summary", {}, spec.length + " numbers"), label, numbers));
  const read = () => {
    if (value === null) throw new Refusal(400, spec.label + " is not a list of numbers.");
    return spec.default && !changed ? undefined : value;
  };
  return { element, read };
}

function paint(canvas, value, spec) {
  const pen = canvas.getContext("2d");
  const { width, height } = canvas;
  pen.clearRect(0, 0, width, height);
  pen.fillStyle = getComputedStyle(document.documentElement).getPropertyValue("--accent");
  const most = 3 * (spec.samplingStd || 1);
  const step = width / Math.max(1, value.length);
  value.forEach((number, index) => {
    const part = Math.max(-1, Math.min(1, (number - spec.samplingMean) / most)) * (height / 2);
    pen.fillRect(index * step, height / 2 - Math.max(part, 0), Math.max(step - 1, 0.5), Math.max(Math.abs(part), 0.5));
  });
}

function linesField(spec, id) {
  const box = make("textarea", { id, "aria-describedby": id + "-hint" });
  box.value = (spec.default || []).join("\n");
  const element = frame({ ...spec, description: [spec.description, "One a line"].filter(Boolean).join(". ") }, id, box);
  return { element, read: () => box.value.split("\n").filter((line) => line !== "") };
}

function jsonField(spec, id) {
  const box = make("textarea", { id, "aria-describedby": id + "-hint", spellcheck: "false" });
  const given = spec.default ?? spec.example;
  box.value = given === undefined || given === null ? "" : JSON.stringify(given);
  const element = frame({ ...spec, description: [spec.description, "As JSON"].filter(Boolean).join(". ") }, id, box);
  const read = () => {
    if (box.value.trim() === "") return undefined;
    try {
      return JSON.parse(box.value);
    } catch {
      throw new Refusal(400, spec.label + " is not JSON.");
    }
  };
  return { element, read };
}

function field(spec, index) {
  const id = "input-" + index;
  const item = spec.type === "array" ? spec.itemType.type : "";
  const kinds = { number: numberField, text: textField, boolean: booleanField, category: categoryField };
  if (spec.type in kinds) return kinds[spec.type](spec, id);
  if (spec.type === "image" || spec.type === "segmentation") return pictureField(spec, id, false);
  if (spec.type === "vector") return vectorField(spec, id);
  if (item === "image") return pictureField(spec, id, true);
  return item === "text" ? linesField(spec, id) : jsonField(spec, id);
}

// -- the answer

function output(spec, value, before = "") {
  const caption = make("figcaption", {}, spec.label);
  if ((spec.type === "image" || spec.type === "segmentation") && /^data:image\//.test(String(value))) {
    const picture = make("img", { alt: spec.description || spec.label });
    picture.addEventListener("load", () => picture.classList.toggle("small", picture.naturalWidth < 256));
    picture.src = value;
    const ending = value.startsWith("data:image/png") ? ".png" : ".jpg";
    const save = make("a", { href: value, download: name + "-" + spec.name.replace(/[^\w-]+/g, "-") + ending }, "Save");
    return make("figure", {}, caption, picture, save);
  }
  if (spec.type === "text" && /.{80}|\n/s.test(String(value) + (before ? "\n" : ""))) {
    const given = make("span", { class: "given" }, before);
    return make("figure", {}, caption, make("div", { class: "text" }, given, String(value)));
  }
  const text = JSON.stringify(value);
  if (text !== undefined && text.length > 400) {
    const words = Array.isArray(value) ? value.length + " elements" : text.length + " characters";
    return make("figure", {}, caption, make("details", {}, make("summary", {}, words), make("pre", {}, text)));
  }
  const short = typeof value === "number" ? String(Number(value.toPrecision(6))) : text;
  return make("p", {}, spec.label + ": ", make("span", {}, typeof value === "string" ? value : String(short)));
}

function show(answer, inputs) {
  const shown = about.outputs.filter((spec) => answer[spec.name] !== undefined && answer[spec.name] !== null);
  // A single text after its prompt needs no rows of numbers first: what is large comes first.
  const rank = (spec) => (["image", "segmentation", "text"].includes(spec.type) ? 0 : 1);
  shown.sort((one, other) => rank(one) - rank(other));
  $("answer").replaceChildren(...shown.map((spec) => output(spec, answer[spec.name], before(spec, inputs))));
}

// A completion is read after its prompt.
const before = (spec, inputs) => (spec.name === "completion" && typeof inputs.prompt === "string" ? inputs.prompt : "");

// -- running

const STREAMED = ["prompt", "max_tokens", "temperature", "top_p", "seed", "stop"];

function streamable(inputs) {
  if (!about.text_model) return false;
  const other = about.inputs.filter((spec) => !STREAMED.includes(spec.name) && inputs[spec.name] !== undefined);
  return other.every((spec) => JSON.stringify(inputs[spec.name]) === JSON.stringify(spec.default));
}

async function stream(inputs, signal) {
  const data = { model: name, stream: true };
  for (const key of STREAMED) if (inputs[key] !== undefined) data[key] = inputs[key];
  if (Array.isArray(data.stop) && data.stop.length === 0) delete data.stop;
  let reply;
  try {
    reply = await ask("v1/completions", { data, signal, raw: true });
  } catch (error) {
    // Not served, or not with these inputs: the query knows what to say of them.
    if (error instanceof Refusal && [400, 404, 405].includes(error.status)) return false;
    throw error;
  }
  const given = make("span", { class: "given" }, String(inputs.prompt ?? ""));
  const written = document.createTextNode("");
  $("answer").replaceChildren(make("div", { class: "text", id: "written" }, given, written));
  const reader = reply.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) throw new Refusal(0, "The answer broke off.");
    const lines = (rest + value).split(/\r?\n/);
    rest = lines.pop();
    for (const line of lines) {
      if (!line.startsWith("data:")) continue;
      const text = line.slice(5).trim();
      if (text === "[DONE]") return true;
      const part = JSON.parse(text);
      if (part.error) throw new Refusal(500, part.error.message || String(part.error));
      for (const choice of part.choices || []) written.data += choice.text || "";
    }
  }
}

async function run(event) {
  event.preventDefault();
  if (running) return;
  const began = performance.now();
  const seconds = () => ((performance.now() - began) / 1000).toFixed(1) + " s";
  running = new AbortController();
  $("run").disabled = true;
  $("stop").hidden = false;
  const clock = setInterval(() => ($("time").textContent = seconds() + waiting()), 200);
  const watch = setInterval(refresh, 1000);
  try {
    const inputs = {};
    for (const [index, each] of fields.entries()) {
      const value = await each.read();
      if (value !== undefined) inputs[about.inputs[index].name] = value;
    }
    const streamed = streamable(inputs) && (await stream(inputs, running.signal));
    if (!streamed) {
      show(await ask("v1/query", { data: inputs, signal: running.signal }), inputs);
    }
    $("time").textContent = "took " + seconds();
  } catch (error) {
    $("time").textContent = "";
    if (error.name === "AbortError") $("time").textContent = "stopped after " + seconds();
    else problem(error);
  } finally {
    clearInterval(clock);
    clearInterval(watch);
    running = null;
    $("run").disabled = false;
    $("stop").hidden = true;
    refresh();
  }
}

const waiting = () => (about && about.state === "waking" ? ", the model is waking" : "");

function sentence(error) {
  const words = error.message || String(error);
  return upper(words) + (/[.!?]$/.test(words) ? "" : ".");
}

function problem(error) {
  $("answer").replaceChildren(make("p", { class: "problem", role: "alert" }, sentence(error)));
  if (error.status === 401) knock("The token is not valid any more.");
}

// -- state, the door, snippets

const STATES = {
  awake: "awake",
  asleep: "asleep: the first answer takes longer",
  waking: "waking",
  failed: "cannot be started",
  inactive: "not active",
};

function tell(state, sentence) {
  $("state").textContent = (STATES[state] || state) + (sentence ? ". " + sentence : "");
}

async function refresh() {
  if (document.hidden || !about) return;
  try {
    const now = await ask("about");
    about.state = now.state;
    tell(now.state, now.problem);
  } catch (error) {
    if (error.status === 0) $("state").textContent = "cannot be reached";
  }
}

function knock(words) {
  $("door").hidden = false;
  $("model").hidden = true;
  $("state").textContent = "";
  $("door-problem").textContent = words;
  sessionStorage.removeItem(shelf);
  $("token").value = "";
  $("token").focus();
}

async function open(first) {
  try {
    about = await ask("about");
  } catch (error) {
    if (error.status === 401) return knock(first ? "" : "This token does not open it.");
    $("door").hidden = true;
    $("trouble").textContent = sentence(error);
    return;
  }
  $("door").hidden = true;
  $("trouble").textContent = "";
  $("model").hidden = false;
  $("name").textContent = document.title = about.name;
  $("about-title").textContent = about.title;
  $("does").textContent = about.command_description;
  $("description").textContent = about.description;
  $("gives").textContent = "Gives " + about.outputs.map((spec) => spec.label + " (" + spec.type + ")").join(", ") + ".";
  fields = about.inputs.map(field);
  // What must be given is in sight, and the first settings; the rest is one key away.
  const inSight = (spec, index) => spec.required || index < 5;
  const elements = (wanted) => fields.filter((_, index) => inSight(about.inputs[index], index) === wanted);
  $("fields").replaceChildren(...elements(true).map((each) => each.element));
  $("more-fields").replaceChildren(...elements(false).map((each) => each.element));
  $("more").hidden = elements(false).length === 0;
  tell(about.state, about.problem);
  code();
}

function code() {
  const place = new URL(base);
  place.pathname = place.pathname.replace(/[^/]+\/$/, "");
  const origin = place.href.replace(/\/$/, "");
  const titles = Object.keys(about.snippets);
  const tabs = titles.map((title, index) => {
    const tab = make("button", { type: "button", role: "tab", id: "tab-" + index, "aria-controls": "panel" }, title);
    tab.addEventListener("click", () => choose(index));
    tab.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (!step) return;
      const next = (index + step + titles.length) % titles.length;
      choose(next);
      tabs[next].focus();
    });
    return tab;
  });
  const choose = (index) => {
    tabs.forEach((tab, other) => {
      tab.setAttribute("aria-selected", String(other === index));
      tab.tabIndex = other === index ? 0 : -1;
    });
    $("panel").setAttribute("aria-labelledby", "tab-" + index);
    $("code").textContent = about.snippets[titles[index]].replaceAll(NOWHERE, origin);
    $("copied").textContent = "";
  };
  $("tabs").replaceChildren(...tabs);
  $("code-hint").textContent = about.private ? "Reads the token from the variable TOKEN." : "";
  choose(0);
}

async function copy() {
  const range = document.createRange();
  range.selectNodeContents($("code"));
  getSelection().removeAllRanges();
  getSelection().addRange(range);
  try {
    // Over plain HTTP only localhost may use the clipboard; elsewhere the text stays selected.
    await navigator.clipboard.writeText($("code").textContent);
    $("copied").textContent = "Copied";
  } catch {
    $("copied").textContent = document.execCommand("copy") ? "Copied" : "Selected: copy it by key";
  }
}

$("name").textContent = document.title = name;
$("door").addEventListener("submit", (event) => {
  event.preventDefault();
  sessionStorage.setItem(shelf, $("token").value.trim());
  open(false);
});
$("form").addEventListener("submit", run);
$("form").addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) $("form").requestSubmit();
});
$("stop").addEventListener("click", () => running && running.abort());
$("copy").addEventListener("click", copy);
setInterval(() => running || refresh(), 15000);
open(true);
