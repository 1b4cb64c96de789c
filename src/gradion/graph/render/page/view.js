"use strict";

// The picture in the page: drawing, folding, moving about, search, details.
// long: one state and its handlers; parted, all of them would share it
(() => {
  const scene = JSON.parse(document.getElementById("scene").textContent);
  const { boxes, metrics } = scene;
  const open = new Set(scene.open);
  const canvas = document.getElementById("canvas");
  const view = document.getElementById("view");
  const panel = document.getElementById("panel");
  const hint = document.getElementById("hint");
  const search = document.getElementById("search");
  const list = document.getElementById("found");
  const LEAST = 0.4; // of the scale, where all is to be seen
  const camera = { x: 0, y: 0, scale: 1 };
  let placed = null;
  let shapes = new Map(); // number of a box: its element
  let waiting = new Map(); // what has no element yet
  let needs = new Set(); // outputs that what is chosen takes
  let chosen = -1;
  let focused = 0;

  const takers = boxes.map(() => []);
  boxes.forEach((box, number) =>
    (box.inputs || []).forEach(([, from]) => { if (from >= 0) takers[from].push(number); }));
  scene.links.forEach(([source, , target]) => {
    if (!takers[source].includes(target)) takers[source].push(target);
  });

  // Elements. Text is only ever set as text, so that no name can be markup.

  function svg(name, attributes, parent) {
    const element = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const key in attributes) element.setAttribute(key, attributes[key]);
    if (parent) parent.append(element);
    return element;
  }

  function html(name, text, parent, style) {
    const element = document.createElement(name);
    if (text) element.textContent = text;
    if (style) element.className = style;
    if (parent) parent.append(element);
    return element;
  }

  function label(parent, style, x, y, text) {
    svg("text", { class: style, x, y }, parent).textContent = text;
  }

  // Drawing.

  function curve(points) {
    let text = `M${points[0][0]},${points[0][1]}`;
    for (let i = 1; i < points.length; i++) {
      const [x, y] = points[i - 1], [u, v] = points[i];
      const half = (y + v) / 2;
      text += i % 2 === 0 ? `V${v}` : `C${x},${half} ${u},${half} ${u},${v}`;
    }
    return text;
  }

  function drawBox(number, at, parent) {
    const box = boxes[number];
    const isOpen = open.has(number);
    const shape = svg("g", {
      class: `box ${box.family}`, transform: `translate(${at.x} ${at.y})`, tabindex: -1,
      role: "button", "data-box": number, "aria-label": spoken(number),
    }, parent);
    if (box.children.length) shape.setAttribute("aria-expanded", isOpen);
    const { width, height } = at, { head, line, pad } = metrics;
    if (isOpen) {
      svg("rect", { class: "group", width, height, rx: 8 }, shape);
      svg("rect", { class: "strip", "data-strip": 1, width, height: head, rx: 8 }, shape);
      svg("path", { class: "fold", d: `M${pad},${head / 2 - 2.5}h8l-4,5.5z` }, shape);
      label(shape, "name", pad + 13, head / 2, box.title);
    } else {
      if (box.children.length) svg("rect", { class: "stack", x: 4, y: 4, width, height, rx: 6 }, shape);
      if (box.rows.length) {
        svg("rect", { class: "body", width, height, rx: 6 }, shape);
        const d = `M0,${head}V6q0,-6 6,-6H${width - 6}q6,0 6,6V${head}z`;
        svg("path", { class: "head", d }, shape);
      } else {
        const isEnd = box.family === "input" || box.family === "output";
        svg("rect", { class: "head", width, height, rx: isEnd ? head / 2 : 6 }, shape);
      }
      if (box.children.length)
        svg("path", { class: "arrow", d: `M${pad},${head / 2 - 4}v8l5.5,-4z` }, shape);
      label(shape, "title middle", width / 2 + (box.children.length ? 6 : 0), head / 2, box.title);
      box.rows.forEach((row, i) =>
        label(shape, "row middle", width / 2, head + 2 + line * (i + 0.5), row));
    }
    shape.classList.toggle("chosen", number === chosen);
    svg("rect", { class: "ring", x: -3, y: -3, width: width + 6, height: height + 6, rx: 8 }, shape);
    shapes.set(number, shape);
  }

  function drawLine(line, parent) {
    const isOrder = line.keys.every((key) => key.endsWith(":-1"));
    line.shape = svg("path", { class: isOrder ? "line order" : "line", d: curve(line.points) }, parent);
    if (!line.partial) line.shape.setAttribute("marker-end", "url(#tip)");
    markLine(line);
  }

  function draw() {
    placed = place(scene, open);
    shapes = new Map();
    const all = svg("g", {});
    const groups = svg("g", {}, all), wires = svg("g", {}, all);
    const solid = svg("g", {}, all), labels = svg("g", { "aria-hidden": true }, all);
    // What is seldom in sight is made when it comes into sight.
    waiting = new Map();
    for (const [number, at] of placed.places) {
      if (number === 0) continue;
      if (open.has(number)) drawBox(number, at, groups);
      else waiting.set(number, { ...at, make: () => drawBox(number, at, solid) });
    }
    for (const line of placed.lines) {
      const xs = line.points.map((p) => p[0]), [x, y] = line.points[0];
      const left = Math.min(...xs), width = Math.max(...xs) - left;
      const height = line.points.at(-1)[1] - y;
      waiting.set(line, { x: left, y, width, height, make: () => drawLine(line, wires) });
      if (!line.label) continue;
      const make = () => label(labels, "label", x, y + 10, line.label);
      waiting.set(line.label + waiting.size, { x: x - 50, y, width: 100, height: 20, make });
    }
    view.replaceChildren(all);
    mark();
    focusable(placed.places.has(focused) ? focused : boxes[0].children[0]);
  }

  function make(key) {
    const item = waiting.get(key);
    waiting.delete(key);
    if (item) item.make();
  }

  function makeInSight() {
    const { x, y, scale } = camera;
    const left = -x / scale, top = -y / scale;
    const right = left + canvas.clientWidth / scale, bottom = top + canvas.clientHeight / scale;
    for (const [key, at] of waiting)
      if (at.x < right && at.x + at.width > left && at.y < bottom && at.y + at.height > top) make(key);
  }

  // Folding; what was clicked stays where it is on the screen.

  function fold(numbers, isOpen, anchor) {
    const before = placed.places.get(anchor);
    for (const number of numbers) {
      if (isOpen) open.add(number);
      else open.delete(number);
    }
    draw();
    const after = placed.places.get(anchor);
    if (before && after) {
      camera.x += (before.x - after.x) * camera.scale;
      camera.y += (before.y - after.y) * camera.scale;
    }
    look();
  }

  const toggle = (number) => fold([number], !open.has(number), number);

  function outer(number) {
    const found = [];
    for (let at = boxes[number].parent; at >= 0; at = boxes[at].parent) found.push(at);
    return found;
  }

  function visible(number) {
    let seen = number;
    for (const around of outer(number)) if (!open.has(around)) seen = around;
    return seen;
  }

  function reveal(number) {
    fold(outer(number), true, -1);
    choose(number);
    const at = placed.places.get(number);
    camera.scale = Math.max(camera.scale, 0.7);
    camera.x = canvas.clientWidth / 2 - (at.x + at.width / 2) * camera.scale;
    camera.y = canvas.clientHeight / 2 - (at.y + Math.min(at.height, 80) / 2) * camera.scale;
    look();
    focus(number);
  }

  // The camera.

  function look() {
    view.setAttribute("transform", `translate(${camera.x} ${camera.y}) scale(${camera.scale})`);
    view.classList.toggle("far", camera.scale < 0.3);
    makeInSight();
  }

  function fit() {
    const whole = placed.places.get(0);
    // Beside the panel, where that stands at the side.
    const beside = canvas.clientWidth > 760 ? panel.offsetWidth + 12 : 0;
    const width = canvas.clientWidth - beside - 24, height = canvas.clientHeight - 64;
    const scale = Math.min(width / whole.width, height / whole.height);
    // A picture that is too large to be read as a whole begins at its top.
    camera.scale = Math.min(Math.max(scale, LEAST), 1.2);
    const middle = scale < LEAST ? topMiddle() : whole.width / 2;
    camera.x = 12 + width / 2 - middle * camera.scale;
    camera.y = Math.max(12 + (height - whole.height * camera.scale) / 2, 12);
    look();
  }

  // The middle of what stands at the top.
  function topMiddle() {
    const tops = boxes[0].children.map((number) => placed.places.get(number));
    const first = tops.filter((at) => at.y < 80 / camera.scale);
    return first.reduce((sum, at) => sum + at.x + at.width / 2, 0) / Math.max(first.length, 1);
  }

  function zoom(factor, x = canvas.clientWidth / 2, y = canvas.clientHeight / 2) {
    const scale = Math.min(Math.max(camera.scale * factor, 0.02), 6);
    camera.x = x - ((x - camera.x) * scale) / camera.scale;
    camera.y = y - ((y - camera.y) * scale) / camera.scale;
    camera.scale = scale;
    look();
  }

  function keepInSight(number) {
    const at = placed.places.get(number);
    const x = at.x * camera.scale + camera.x, y = at.y * camera.scale + camera.y;
    if (x < 0 || x > canvas.clientWidth - 60) camera.x += canvas.clientWidth / 2 - x;
    if (y < 0 || y > canvas.clientHeight - 40) camera.y += canvas.clientHeight / 2 - y;
    look();
  }

  // What is chosen, and the lines to and from it.

  function choose(number) {
    chosen = number;
    mark();
    details();
  }

  const isIn = (number) => number === chosen || outer(number).includes(chosen);

  function mark() {
    for (const [number, shape] of shapes) shape.classList.toggle("chosen", number === chosen);
    view.classList.toggle("reading", chosen >= 0);
    needs = new Set();
    if (chosen >= 0)
      for (const [source, output, target] of scene.links)
        if (isIn(target) && !isIn(source)) needs.add(source + ":" + output);
    placed.lines.forEach((line) => { if (line.shape) markLine(line); });
  }

  function markLine(line) {
    const from = chosen >= 0 && line.keys.some((key) => isIn(parseInt(key, 10)));
    const reaches = chosen >= 0 && (isIn(line.target) || outer(chosen).includes(line.target));
    const given = !from && reaches && line.keys.some((key) => needs.has(key));
    line.shape.classList.toggle("to", from);
    line.shape.classList.toggle("from", given);
  }

  // Details.

  function facts(number) {
    const box = boxes[number];
    const rows = [];
    if (box.kind) rows.push(["kind", box.kind]);
    if (box.scope) rows.push(["scope", box.scope]);
    if (box.outputs.length) rows.push(["type", box.outputs.join(", ")]);
    if (box.children.length) rows.push(["holds", box.rows.at(-1)]);
    if (box.line) rows.push(["line", box.line]);
    return rows.concat(box.attributes || []);
  }

  const nameOf = (number) => boxes[number].name || boxes[number].title;
  const spoken = (number) => [nameOf(number), ...facts(number).slice(0, 4).map((f) => f.join(" "))].join(", ");

  function links(title, items) {
    if (!items.length) return;
    html("h3", title, panel);
    const all = html("ul", "", panel);
    for (const [text, number] of items.slice(0, 100)) {
      const item = html("li", "", all);
      if (number < 0) html("code", text, item, "faint");
      else {
        const button = html("button", text, item);
        button.type = "button";
        button.addEventListener("click", () => reveal(number));
      }
    }
    if (items.length > 100) html("li", `and ${items.length - 100} more`, all, "faint");
  }

  function details() {
    panel.replaceChildren();
    panel.classList.toggle("idle", chosen < 0);
    if (chosen < 0) return help();
    const close = html("button", "\u00d7", panel, "close");
    close.type = "button";
    close.setAttribute("aria-label", "Close");
    close.addEventListener("click", () => choose(-1));
    html("h2", nameOf(chosen), panel);
    const table = html("dl", "", panel);
    for (const [key, value] of facts(chosen)) {
      html("dt", key, table);
      html("dd", value, table);
    }
    links("takes", boxes[chosen].inputs || []);
    links("taken by", takers[chosen].map((n) => [nameOf(n), n]));
    if (boxes[chosen].children.length)
      links("holds", boxes[chosen].children.map((n) => [nameOf(n), n]));
  }

  function help() {
    html("h2", scene.summary, panel);
    const rows = [
      ["click", "fold, unfold, choose"], ["drag, wheel", "move, zoom"], ["arrows", "go along lines and across"],
      ["Enter", "fold, unfold, choose"], ["Esc", "to the box around"], ["/", "search"], ["+ - 0", "zoom, show all"],
    ];
    const table = html("dl", "", panel);
    for (const [key, text] of rows) {
      html("kbd", key, html("dt", "", table));
      html("dd", text, table);
    }
  }

  function showHint(number, x, y) {
    hint.textContent = [nameOf(number), ...facts(number).map((fact) => fact.join(": "))].join("\n");
    hint.hidden = false;
    const room = canvas.getBoundingClientRect();
    hint.style.left = Math.max(Math.min(x - room.left + 14, room.width - hint.offsetWidth - 8), 0) + "px";
    hint.style.top = Math.max(Math.min(y - room.top + 16, room.height - hint.offsetHeight - 8), 0) + "px";
  }

  // Mouse and touch.

  const pointers = new Map();
  let moved = false;

  canvas.addEventListener("pointerdown", (event) => {
    pointers.set(event.pointerId, [event.clientX, event.clientY]);
    moved = false;
  });
  canvas.addEventListener("pointermove", (event) => {
    const before = pointers.get(event.pointerId);
    if (!before) {
      const box = event.target.closest("[data-box]");
      if (!box || event.target.classList.contains("group")) hint.hidden = true;
      else showHint(+box.dataset.box, event.clientX, event.clientY);
      return;
    }
    const now = [event.clientX, event.clientY];
    if (!moved && Math.hypot(now[0] - before[0], now[1] - before[1]) < 4) return;
    if (!moved) canvas.setPointerCapture(event.pointerId);
    moved = true;
    hint.hidden = true;
    canvas.classList.add("moving");
    if (pointers.size === 2) {
      const other = [...pointers].find(([id]) => id !== event.pointerId)[1];
      const apart = (p) => Math.hypot(p[0] - other[0], p[1] - other[1]);
      const room = canvas.getBoundingClientRect();
      zoom(apart(now) / apart(before), other[0] - room.left, other[1] - room.top);
    } else {
      camera.x += now[0] - before[0];
      camera.y += now[1] - before[1];
      look();
    }
    pointers.set(event.pointerId, now);
  });
  const release = (event) => {
    pointers.delete(event.pointerId);
    canvas.classList.remove("moving");
  };
  canvas.addEventListener("pointerup", release);
  canvas.addEventListener("pointercancel", release);
  canvas.addEventListener("pointerleave", () => { hint.hidden = true; });
  canvas.addEventListener("wheel", (event) => {
    event.preventDefault();
    hint.hidden = true;
    const room = canvas.getBoundingClientRect();
    const step = Math.max(Math.min(event.deltaY * (event.deltaMode ? 20 : 1), 200), -200);
    zoom(Math.exp(-step / 400), event.clientX - room.left, event.clientY - room.top);
  }, { passive: false });
  canvas.addEventListener("click", (event) => {
    if (moved) return;
    const box = event.target.closest("[data-box]");
    if (!box || event.target.classList.contains("group")) choose(-1);
    else act(+box.dataset.box);
  });

  // A scope folds or unfolds, and anything else is chosen; so is an operation that holds graphs.
  function act(number) {
    hint.hidden = true;
    if (boxes[number].children.length) toggle(number);
    choose(number);
    focus(number);
  }

  // Keys. One box at a time can be reached by the tabulator.

  function focusable(number) {
    make(number);
    if (shapes.has(focused)) shapes.get(focused).setAttribute("tabindex", -1);
    focused = number;
    if (shapes.has(number)) shapes.get(number).setAttribute("tabindex", 0);
  }

  function focus(number) {
    focusable(number);
    shapes.get(number).focus({ preventScroll: true });
  }

  function go(number) {
    if (number === undefined || !placed.places.has(number)) return;
    focus(number);
    keepInSight(number);
  }

  function along(number, isUp) {
    const isIn = (n) => n === number || outer(n).includes(number);
    for (const [source, , target] of scene.links) {
      if (isUp && isIn(target) && !isIn(source)) return visible(source);
      if (!isUp && isIn(source) && !isIn(target)) return visible(target);
    }
    return undefined;
  }

  function across(number, step) {
    const at = (n) => placed.places.get(n);
    const beside = boxes[boxes[number].parent].children.slice();
    beside.sort((a, b) => at(a).y - at(b).y || at(a).x - at(b).x);
    return beside[beside.indexOf(number) + step];
  }

  const keys = {
    ArrowUp: (n) => go(along(n, true)), ArrowDown: (n) => go(along(n, false)),
    ArrowLeft: (n) => go(across(n, -1)), ArrowRight: (n) => go(across(n, 1)),
    Enter: act, " ": act,
    Escape: (n) => { if (boxes[n].parent > 0) go(boxes[n].parent); choose(-1); },
  };
  canvas.addEventListener("keydown", (event) => {
    const box = event.target.closest("[data-box]");
    if (!box || !(event.key in keys)) return;
    event.preventDefault();
    keys[event.key](+box.dataset.box);
  });
  document.addEventListener("keydown", (event) => {
    if (event.target === search || event.ctrlKey || event.metaKey || event.altKey) return;
    const action = { "/": () => search.focus(), "+": () => zoom(1.25), "=": () => zoom(1.25), "-": () => zoom(0.8), 0: fit }[event.key];
    if (!action) return;
    event.preventDefault();
    action();
  });

  // Search.

  let hits = [], hit = 0;

  function find() {
    const wanted = search.value.trim().toLowerCase();
    const texts = (box) => [box.name || "", box.title, box.kind || "", box.line || ""];
    hits = [];
    if (wanted)
      for (let n = 1; n < boxes.length && hits.length < 50; n++)
        if (texts(boxes[n]).some((text) => text.toLowerCase().includes(wanted))) hits.push(n);
    hit = 0;
    list.replaceChildren();
    hits.forEach((number, i) => {
      const item = html("li", nameOf(number) + " ", list);
      item.id = "hit" + i;
      item.setAttribute("role", "option");
      html("small", [boxes[number].kind || "scope", boxes[number].line].filter(Boolean).join(", "), item);
      item.addEventListener("pointerdown", (event) => { event.preventDefault(); take(i); });
    });
    if (wanted && !hits.length) html("li", "nothing of that name", list, "faint");
    list.hidden = !wanted;
    search.setAttribute("aria-expanded", !list.hidden);
    pick();
  }

  function pick() {
    [...list.children].forEach((item, i) => item.setAttribute("aria-selected", hits.length > 0 && i === hit));
    if (!hits.length) return search.removeAttribute("aria-activedescendant");
    search.setAttribute("aria-activedescendant", "hit" + hit);
    list.children[hit].scrollIntoView({ block: "nearest" });
  }

  function take(i) {
    list.hidden = true;
    search.setAttribute("aria-expanded", false);
    if (hits.length) reveal(hits[i]);
  }

  search.addEventListener("input", find);
  search.addEventListener("focus", find);
  search.addEventListener("blur", () => { list.hidden = true; });
  search.addEventListener("keydown", (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step && hits.length) hit = (hit + step + hits.length) % hits.length;
    else if (event.key === "Enter") take(hit);
    else if (event.key === "Escape") search.blur();
    else return;
    event.preventDefault();
    pick();
  });

  // Buttons and legend.

  const holders = boxes.map((box, n) => n).filter((n) => n > 0 && boxes[n].children.length);
  const buttons = {
    fold: () => { fold(holders, false, -1); fit(); },
    unfold: () => { fold(holders.filter((n) => placed.places.has(n) && !open.has(n)), true, -1); fit(); },
    in: () => zoom(1.25), out: () => zoom(0.8), fit,
    theme: () => {
      const root = document.documentElement;
      const isDark = root.dataset.theme
        ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
      root.dataset.theme = isDark ? "light" : "dark";
    },
  };
  for (const name in buttons) document.getElementById(name).addEventListener("click", buttons[name]);
  for (const [family, title] of scene.families) {
    const item = html("li", "", document.getElementById("legend"));
    svg("rect", { class: `${family} head`, width: 10, height: 10, rx: 3 }, svg("svg", {}, item));
    item.append(title);
  }

  draw();
  details();
  fit();
  addEventListener("resize", look);
})();
