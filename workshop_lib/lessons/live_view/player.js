// The front end of a live picture, for JupyterLab (anywidget).
// In: frames, plain data from Python. Out: a drawing of one of them, a table of all, controls.
// What a frame says is worked out in Python; here it is only drawn.

const WIDTH = 960;
const LEFT = 150;
const RIGHT = 20;
const ROW = 25;
const ROWS = 12; // more do not fit on a small screen: the newest are drawn
const LANE = 22;
const PACE = 900; // milliseconds a frame
const RUNS = 6; // the last ones, to compare

const KINDS = {
  "in order": ["in-order", "M -5 0 A 5 5 0 1 0 5 0 A 5 5 0 1 0 -5 0 Z"],
  "late, counted": ["late", "M 0 -7 L 7 0 L 0 7 L -7 0 Z"],
  "late, counted in some of its windows": ["late", "M 0 -7 L 7 6 L -7 6 Z"],
  "too late, dropped": [
    "dropped",
    "M -6 -4 L -4 -6 L 0 -2 L 4 -6 L 6 -4 L 2 0 L 6 4 L 4 6 L 0 2 L -4 6 L -6 4 L -2 0 Z",
  ],
  "repeated, ignored": ["repeated", "M -5 -5 H 5 V 5 H -5 Z"],
};

function node(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

function shape(parent, name, attributes = {}, text = "") {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.textContent = text;
  parent.append(made);
  return made;
}

const clock = (ms) => new Date(ms).toISOString().slice(11, 16);
const second = (iso) => iso.slice(11, 19);
const mark = (ms) => (ms === null ? "none" : clock(ms));
const many = (number, what) => `${number} ${what}${number === 1 ? "" : "s"}`;

function tally(dots) {
  const counts = {};
  for (const [, kind] of dots) counts[kind] = (counts[kind] ?? 0) + 1;
  return counts;
}

function lanes(windows) {
  const free = [];
  return windows.map(([start, end]) => {
    let lane = free.findIndex((until) => until <= start);
    if (lane < 0) lane = free.length;
    free[lane] = end;
    return lane;
  });
}

const STREAM = {
  headings: ["batch", "processed at", "records", "watermark", "late, counted",
    "too late, dropped", "repeated", "rows dropped (Spark)", "windows: records"],

  row(frame) {
    const counts = tally(frame.dots);
    const late = (counts["late, counted"] ?? 0)
      + (counts["late, counted in some of its windows"] ?? 0);
    const windows = frame.windows.map(([start, , records, emitted, closed]) =>
      `${clock(start)}: ${records}${emitted ? " ↑" : ""}${closed ? " closed" : ""}`);
    return [frame.batch, second(frame.time), frame.rows,
      `${mark(frame.mark)} → ${mark(frame.after)}`, late, counts["too late, dropped"] ?? 0,
      counts["repeated, ignored"] ?? 0, frame.spark_dropped, windows.join(", ")];
  },

  tell(frame) {
    const counts = Object.entries(tally(frame.dots)).map(([kind, n]) => `${n} ${kind}`);
    const closed = frame.windows.filter((window) => window[4]).length;
    const none = frame.no_event_time ? `, ${frame.no_event_time} without event time` : "";
    return `Batch ${frame.batch}, ${second(frame.time)}: ${many(frame.rows, "record")}`
      + (counts.length ? ` (${counts.join(", ")}${none})` : none)
      + `. Watermark ${mark(frame.mark)} → ${mark(frame.after)}. ${many(closed, "window")} closed.`
      + (frame.differs ? ` ${frame.differs}.` : "");
  },

  draw(svg, frames, position) {
    const first = Math.max(0, position + 1 - ROWS);
    const shown = frames.slice(first, position + 1);
    const places = frames.flatMap((f) => [...f.dots.map((d) => d[0]), ...f.windows.map((w) => w[1])]);
    if (!places.length) return 40;
    const low = Math.min(...places, ...frames.flatMap((f) => f.windows.map((w) => w[0])));
    const high = Math.max(...places);
    const pad = (high - low || 60_000) * 0.02;
    const x = (ms) => LEFT
      + ((ms - low + pad) / (high - low + 2 * pad)) * (WIDTH - LEFT - RIGHT);
    const inside = (ms) => Math.min(Math.max(x(ms), LEFT), WIDTH - RIGHT);
    const rows = Math.min(ROWS, frames.length);
    const bottom = 10 + rows * ROW;
    const last = shown[shown.length - 1];
    const lane = lanes(last.windows);
    const all = frames.map((f) => Math.max(0, ...lanes(f.windows)) + 1);
    const boxes = bottom + 12;
    const axis = boxes + Math.max(...all) * LANE + 6;

    shown.forEach((frame, row) => {
      const y = 10 + row * ROW;
      if (frame.mark !== null) {
        shape(svg, "rect", { class: "past", x: LEFT, y, width: inside(frame.mark) - LEFT, height: ROW });
      }
    });
    let path = "";
    shown.forEach((frame, row) => {
      const y = 10 + row * ROW;
      if (frame.mark !== null) path += `${path ? "L" : "M"} ${inside(frame.mark)} ${y} V ${y + ROW} `;
      if (frame.after !== null) path += `${path ? "H" : `M ${LEFT} ${y + ROW} H`} ${inside(frame.after)} `;
    });
    shape(svg, "path", { class: "watermark", d: path || "M 0 0" });
    if (last.after !== null) {
      const from = last.mark === null ? LEFT : inside(last.mark);
      const at = inside(last.after);
      shape(svg, "line", {
        class: "watermark now", x1: at, x2: at, y1: 10 + shown.length * ROW, y2: axis,
        style: `--from: ${from - at}px`,
      });
    }
    shown.forEach((frame, row) => {
      const y = 10 + row * ROW;
      shape(svg, "text", { class: "label", x: LEFT - 10, y: y + ROW / 2 + 4, "text-anchor": "end" },
        `${second(frame.time)}  batch ${frame.batch}`);
      frame.dots.forEach(([at, kind, partition, offset], place) => {
        const [look, path] = KINDS[kind];
        const down = y + 4 + ((ROW - 8) * (place + 0.5)) / frame.dots.length;
        const dot = shape(svg, "path", {
          d: path, transform: `translate(${x(at)} ${down})`,
          class: `dot ${look}${frame === last ? " new" : ""}`,
          style: `animation-delay: ${Math.min(place * 60, 600)}ms`,
        });
        shape(dot, "title", {}, `${clock(at)} ${kind} (partition ${partition}, offset ${offset})`);
      });
    });
    const most = Math.max(1, ...frames.flatMap((f) => f.windows.map((w) => w[2])));
    last.windows.forEach(([start, end, records, emitted, closed], number) => {
      const y = boxes + lane[number] * LANE;
      const [left, width] = [x(start), x(end) - x(start)];
      const height = LANE - 3;
      const full = (height * records) / most;
      shape(svg, "rect", { class: "fill", x: left, y: y + height - full, width, height: full });
      if (closed) shape(svg, "rect", { class: "closed", x: left, y, width, height });
      shape(svg, "rect", { class: "window", x: left, y, width, height });
      shape(svg, "text", { class: "records", x: left + width / 2, y: y + height / 2 + 4 },
        `${records}${emitted ? "↑" : ""}`);
    });
    if (last.windows.length) {
      shape(svg, "text", { class: "label", x: LEFT - 10, y: boxes + 13, "text-anchor": "end" }, "windows");
    }
    ticks(svg, low - pad, high + pad, x, axis);
    return axis + 38;
  },

  legend(frames) {
    const used = new Set(frames.flatMap((frame) => frame.dots.map((dot) => dot[1])));
    return Object.entries(KINDS).filter(([kind]) => used.has(kind));
  },
  words: "━ watermark   ▥ window: its records; ↑ emitted now; hatched: closed",
};

function ticks(svg, low, high, x, axis) {
  const steps = [1, 5, 10, 15, 30, 60, 180, 360, 720].map((minutes) => minutes * 60_000);
  const step = steps.find((each) => (high - low) / each <= 10) ?? (high - low) / 8;
  shape(svg, "line", { class: "axis", x1: LEFT, x2: WIDTH - RIGHT, y1: axis, y2: axis });
  for (let at = Math.ceil(low / step) * step; at <= high; at += step) {
    shape(svg, "line", { class: "axis", x1: x(at), x2: x(at), y1: axis, y2: axis + 4 });
    shape(svg, "text", { class: "tick", x: x(at), y: axis + 17 }, clock(at));
  }
  shape(svg, "text", { class: "tick", x: (LEFT + WIDTH) / 2, y: axis + 33 }, "event time (UTC)");
  const up = shape(svg, "text", { class: "tick", transform: "translate(12 20) rotate(-90)",
    "text-anchor": "end", style: "text-anchor: end" }, "processing time");
  return up;
}

const GROUP = {
  headings: ["at", "state", "members: partitions", "partition: committed of end"],

  row(frame) {
    return [second(frame.time), frame.state,
      frame.members.map(({ name, partitions }) => `${name}: ${partitions.join(", ") || "idle"}`).join("; "),
      frame.partitions.map(({ number, committed, end }) => `${number}: ${committed ?? "none"} of ${end}`).join("; ")];
  },

  tell(frame) {
    const [at, state, members, partitions] = GROUP.row(frame);
    return `${at}: ${state}. Members: ${members || "none"}. Committed: ${partitions}.`;
  },

  draw(svg, frames, position) {
    const frame = frames[position];
    const most = Math.max(frame.partitions.length, ...frames.map((f) => f.members.length), 1);
    const height = most * 44;
    const place = (number, count) => 30 + ((number + 0.5) * height) / Math.max(count, 1);
    const longest = Math.max(1, ...frames.flatMap((f) => f.partitions.map((p) => p.end)));
    const x = (offset) => 100 + (offset / longest) * 330;
    shape(svg, "text", { class: "label", x: 100, y: 18 }, "partitions: █ committed, ▨ lag");
    shape(svg, "text", { class: "label", x: 680, y: 18 }, `members · group is ${frame.state}`);
    frame.members.forEach(({ name, partitions }, number) => {
      const y = place(number, frame.members.length);
      for (const each of partitions) {
        const row = frame.partitions.findIndex((partition) => partition.number === each);
        const from = 70 + x(frame.partitions[row]?.end ?? 0);
        const agreed = frame.state === "Stable" ? "" : " pending";
        shape(svg, "line", { class: `reads new${agreed}`, x1: from, x2: 676,
          y1: place(row, frame.partitions.length), y2: y });
      }
      const idle = !partitions.length;
      shape(svg, "rect", { class: `member${idle ? " idle" : ""}`, x: 680, y: y - 14, width: 220, height: 28, rx: 5 });
      shape(svg, "text", { class: "records", x: 790, y: y + 5 },
        `${name}${idle ? (frame.state === "Stable" ? ": idle" : ": waiting") : ""}`);
    });
    frame.partitions.forEach(({ number, committed, end }, row) => {
      const y = place(row, frame.partitions.length);
      const done = committed ?? 0;
      shape(svg, "text", { class: "label", x: 90, y: y + 5, "text-anchor": "end" }, `partition ${number}`);
      shape(svg, "rect", { class: "committed", x: 100, y: y - 11, width: x(done) - 100, height: 22 });
      shape(svg, "rect", { class: "closed", x: x(done), y: y - 11, width: x(end) - x(done), height: 22 });
      shape(svg, "rect", { class: "window", x: 100, y: y - 11, width: x(end) - 100, height: 22 });
      shape(svg, "text", { class: "label", x: x(end) + 8, y: y + 5 }, `lag ${end - done}`);
    });
    return height + 44;
  },

  legend: () => [],
  words: "",
};

function hatching(svg, id) {
  const defs = shape(svg, "defs");
  const pattern = shape(defs, "pattern", {
    id, width: 6, height: 6, patternUnits: "userSpaceOnUse", patternTransform: "rotate(45)",
  });
  shape(pattern, "line", { class: "hatch", x1: 0, y1: 0, x2: 0, y2: 6 });
}

let made = 0;

function render({ model, el }) {
  const kind = model.get("kind") === "group" ? GROUP : STREAM;
  const hatch = `wl-hatch-${(made += 1)}`;
  const calm = window.matchMedia("(prefers-reduced-motion: reduce)");
  const button = (text, label) => node("button", { type: "button", "aria-label": label, title: label }, text);
  const play = button("▶ Play", "Play from here");
  const back = button("◀", "One step back");
  const on = button("▶|", "One step on");
  const newest = button("⏭ Newest", "Follow the newest");
  const place = node("input", { type: "range", min: 0, value: 0, "aria-label": "Step" });
  const title = node("strong", {}, model.get("title"));
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const told = node("p", { class: "told", "aria-live": "polite" });
  const note = node("p", { class: "note", role: "status" });
  const legend = node("p", { class: "legend" });
  const body = node("tbody");
  const head = node("tr", {}, ...kind.headings.map((text) => node("th", { scope: "col" }, text)));
  const table = node("details", {}, node("summary", {}, "As a table"),
    node("div", { class: "scroll" }, node("table", {}, node("thead", {}, head), body)));
  const late = node("input", { type: "range", min: 0, "aria-label": "Lateness, in minutes" });
  const allowed = node("output", {}, "");
  const again = node("label", { class: "again" }, "Wait for late records: ", late, allowed);
  const runs = node("p", { class: "runs" });
  const root = node("div", { class: "wl-player" },
    node("div", { class: "bar" }, title, play, back, on, newest, place), again, legend,
    node("div", { class: "figure", tabindex: 0, role: "group",
      "aria-label": "Picture. Arrow keys step, Space plays and pauses." }, svg),
    told, note, runs, table);
  svg.setAttribute("role", "img");
  el.append(root);
  let timer = null;

  const frames = () => model.get("frames");
  const last = () => frames().length - 1;
  const at = () => (model.get("position") < 0 ? last() : Math.min(model.get("position"), last()));

  function go(position) {
    model.set("position", position >= last() ? -1 : Math.max(0, position));
    draw();
  }

  function pause() {
    clearInterval(timer);
    timer = null;
    play.textContent = "▶ Play";
    play.setAttribute("aria-label", "Play from here");
  }

  function toggle() {
    if (timer) return pause();
    if (at() === last()) go(0);
    play.textContent = "⏸ Pause";
    play.setAttribute("aria-label", "Pause");
    timer = setInterval(() => {
      go(at() + 1);
      if (at() === last()) pause();
    }, PACE);
    return undefined;
  }

  function step(by) {
    pause();
    go(at() + by);
  }

  function draw() {
    svg.replaceChildren();
    legend.replaceChildren();
    const all = frames();
    root.classList.toggle("calm", calm.matches);
    const busy = model.get("busy");
    note.textContent = busy || model.get("note");
    for (const each of [play, back, on, newest, place]) each.disabled = all.length < 2;
    lateness(busy);
    if (!all.length) {
      told.textContent = "Waiting for the first batch …";
      if (kind === GROUP) told.textContent = "Waiting for the group …";
      return;
    }
    const position = at();
    place.max = last();
    place.value = position;
    place.setAttribute("aria-valuetext", kind.tell(all[position]));
    hatching(svg, hatch);
    svg.style.setProperty("--hatch", `url(#${hatch})`);
    const height = kind.draw(svg, all, position);
    svg.setAttribute("viewBox", `0 0 ${WIDTH} ${height}`);
    svg.setAttribute("aria-label", `${model.get("title")}. ${kind.tell(all[position])}`);
    for (const [name, [look, path]] of kind.legend(all)) {
      const sign = document.createElementNS("http://www.w3.org/2000/svg", "svg");
      sign.setAttribute("viewBox", "-8 -8 16 16");
      shape(sign, "path", { d: path, class: `dot ${look}` });
      legend.append(sign, ` ${name}   `);
    }
    legend.append(kind.words);
    told.textContent = kind.tell(all[position]);
    body.replaceChildren(...all.map((frame, number) => {
      const row = node("tr", {}, ...kind.row(frame).map((value) => node("td", {}, String(value))));
      if (number === position) row.setAttribute("aria-current", "true");
      return row;
    }));
  }

  function lateness(busy) {
    const choices = model.get("choices");
    again.hidden = !choices.length;
    if (!choices.length) return;
    late.max = choices.length - 1;
    late.disabled = Boolean(busy);
    late.value = choices.indexOf(model.get("late"));
    allowed.textContent = ` ${model.get("late")} minutes`;
    runs.textContent = model.get("runs").slice(-RUNS).join("\n");
  }

  play.onclick = toggle;
  back.onclick = () => step(-1);
  on.onclick = () => step(1);
  newest.onclick = () => step(last());
  place.oninput = () => { pause(); go(Number(place.value)); };
  late.oninput = () => { allowed.textContent = ` ${model.get("choices")[late.value]} minutes`; };
  late.onchange = () => {
    pause();
    model.set("position", -1);
    model.set("late", model.get("choices")[late.value]);
    model.save_changes();
  };
  // JupyterLab takes arrow keys for its own commands, also from a slider.
  root.onkeydown = (event) => event.stopPropagation();
  root.querySelector(".figure").onkeydown = (event) => {
    const act = { ArrowLeft: () => step(-1), ArrowRight: () => step(1), " ": toggle,
      Home: () => step(-last()), End: () => step(last()) }[event.key];
    if (!act) return;
    event.preventDefault();
    act();
  };
  const heard = ["frames", "note", "busy", "late", "runs", "choices"].map((name) => `change:${name}`);
  for (const name of heard) model.on(name, draw);
  draw();
  return () => {
    pause();
    for (const name of heard) model.off(name, draw);
  };
}

export default { render };
