"use strict";

// Places of boxes and lines for one choice of what is open: what placement.py does, step by step.
// `scene` has boxes, their insides (wires and layers) and lengths; `open` is a Set of numbers.
// Returns {places: Map of number to {x, y, width, height}, outer ones first, lines}.
function place(scene, open) {
  const { boxes, insides, metrics } = scene;
  const worked = new Map();
  const places = new Map();
  const lines = [];

  const isOpen = (number) => open.has(number) && number in insides;
  const keyOf = (wire) => wire.source + ":" + wire.output;
  const widthOf = (inside, slot) => (slot >= 0 ? inside.sizes.get(slot)[0] : metrics.wire);

  // The outermost folded box around a box, or that itself.
  function seen(number) {
    let found = number;
    for (let outer = boxes[number].parent; outer >= 0; outer = boxes[outer].parent)
      if (!isOpen(outer)) found = outer;
    return found;
  }

  // Places what is in an open box; its size.
  function settleInside(number) {
    const { wires, layers } = insides[number];
    const inside = {
      wires, layer: new Map(), sizes: new Map(), bundles: new Map(), layers: [],
      middles: [], bands: [], passed: new Map(), ties: null, entries: new Map(), exits: new Map(),
    };
    worked.set(number, inside);
    layers.forEach((layer, i) => layer.forEach((s) => s >= 0 && inside.layer.set(s, i)));
    for (const child of inside.layer.keys())
      inside.sizes.set(child, isOpen(child) ? settleInside(child) : boxes[child].size);
    bundle(inside, layers);
    inside.layers = layers.map((layer) => layer.filter((s) => s >= 0 || inside.bundles.has(~s)));
    inside.layers.forEach((layer, i) => layer.forEach((s) => {
      if (s < 0) (inside.passed.get(~s) || inside.passed.set(~s, []).get(~s)).push(i);
    }));
    across(inside);
    return settle(number, inside);
  }

  // Wires that come from one folded box are drawn as one: the longest stands for all.
  function bundle(inside, layers) {
    const lengths = inside.wires.map(() => 0);
    layers.forEach((layer) => layer.forEach((s) => { if (s < 0) lengths[~s] += 1; }));
    const together = new Map();
    inside.wires.forEach((wire, i) => {
      const outer = seen(wire.source);
      const key = outer + ":" + (outer === wire.source ? wire.output : 0);
      (together.get(key) || together.set(key, []).get(key)).push(i);
    });
    for (const members of together.values()) {
      const longest = members.reduce((a, b) => (lengths[b] > lengths[a] ? b : a));
      inside.bundles.set(longest, members);
    }
  }

  // Where a wire leaves its start, and where it ends at a target, from the left of the box.
  function startOf(wire, inside) {
    const width = inside.sizes.get(wire.start)[0];
    if (wire.start === wire.source) {
      const count = boxes[wire.source].outputs.length;
      return wire.output >= 0 ? (width * (wire.output + 1)) / (count + 1) : width / 2;
    }
    return isOpen(wire.start) ? worked.get(wire.start).exits.get(keyOf(wire)) : width / 2;
  }

  function endOf(wire, target, inside) {
    const entry = isOpen(target) ? worked.get(target).entries.get(keyOf(wire)) : undefined;
    return entry === undefined ? inside.sizes.get(target)[0] / 2 : entry;
  }

  // Middles of slots: each near the mean of those it is tied to, none over another.
  function across(inside) {
    const ties = (inside.ties = tiesOf(inside));
    const gaps = inside.layers.map((layer) => gapsOf(inside, layer));
    inside.layers.forEach((layer, i) => {
      const found = spread(layer.map(() => 0), layer.map(() => 1), gaps[i]);
      inside.middles.push(new Map(layer.map((slot, k) => [slot, found[k]])));
    });
    const count = inside.layers.length;
    for (let sweep = 0; sweep < scene.sweeps; sweep++) {
      const down = sweep % 2 === 0;
      for (let step = 0; step < count; step++) {
        const i = down ? step : count - 1 - step;
        const wanted = [], weights = [];
        for (const slot of inside.layers[i]) {
          let weight = 0, aims = 0;
          for (const [layer, other, off, strength] of ties[i].get(slot) || []) {
            if (sweep !== scene.sweeps - 1 && layer < i !== down) continue;
            weight += strength;
            aims += strength * (inside.middles[layer].get(other) + off);
          }
          wanted.push(weight ? aims / weight : inside.middles[i].get(slot));
          weights.push(weight || 0.1);
        }
        const found = spread(wanted, weights, gaps[i]);
        inside.layers[i].forEach((slot, k) => inside.middles[i].set(slot, found[k]));
      }
    }
  }

  // For each slot in a layer what it should stand above and below.
  function tiesOf(inside) {
    const ties = inside.layers.map(() => new Map());
    const add = (layer, slot, tie) =>
      (ties[layer].get(slot) || ties[layer].set(slot, []).get(slot)).push(tie);
    const tie = (a, upper, b, lower, off, strength) => {
      add(b, lower, [a, upper, off, strength]);
      add(a, upper, [b, lower, -off, strength]);
    };
    for (const [i, members] of inside.bundles) {
      const wire = inside.wires[i];
      const passed = inside.passed.get(i) || [];
      let layer = 0, begin = ~i, shift = 0;
      if (wire.start >= 0) {
        layer = inside.layer.get(wire.start);
        begin = wire.start;
        shift = startOf(wire, inside) - inside.sizes.get(begin)[0] / 2;
        if (passed.length) tie(layer, begin, passed[0], ~i, shift, 2);
      }
      for (const k of passed.slice(0, -1)) tie(k, ~i, k + 1, ~i, 0, 4);
      for (const m of members) {
        for (const target of inside.wires[m].targets) {
          const end = endOf(inside.wires[m], target, inside) - inside.sizes.get(target)[0] / 2;
          const at = inside.layer.get(target);
          if (at > passed[0] && at <= passed.at(-1) + 1) tie(at - 1, ~i, at, target, -end, 1);
          else tie(layer, begin, at, target, shift - end, 1);
        }
      }
    }
    return ties;
  }

  function gapsOf(inside, layer) {
    return layer.map((slot, k) => {
      if (k === 0) return 0;
      const beside = slot < 0 && layer[k - 1] < 0 ? 0 : metrics.beside;
      return (widthOf(inside, layer[k - 1]) + widthOf(inside, slot)) / 2 + beside;
    });
  }

  // Shifts middles so that all is right of the border, sets the layers' bands; the size.
  function settle(number, inside) {
    let left = Infinity, right = -Infinity;
    inside.middles.forEach((middles) => middles.forEach((middle, slot) => {
      left = Math.min(left, middle - widthOf(inside, slot) / 2);
      right = Math.max(right, middle + widthOf(inside, slot) / 2);
    }));
    const least = number === 0 ? 0 : boxes[number].size[0] - 2 * metrics.margin;
    const spare = Math.max(least - (right - left), 0);
    const shift = metrics.margin + spare / 2 - left;
    inside.middles = inside.middles.map((m) => new Map([...m].map(([s, x]) => [s, x + shift])));
    let y = number === 0 ? 0 : metrics.head;
    const last = inside.layers.length - 1;
    inside.layers.forEach((layer, i) => {
      if (i === 0) {
        inside.bands.push([0, 0]);
        y += layer.length ? metrics.between / 2 + reach(0, inside) : metrics.margin / 2;
      } else if (i === last) {
        y += layer.length ? -metrics.margin / 2 : metrics.margin - metrics.between;
        inside.bands.push([y, y]);
      } else {
        const heights = layer.filter((s) => s >= 0).map((s) => inside.sizes.get(s)[1]);
        const height = Math.max(0, ...heights);
        inside.bands.push([y, y + height]);
        y += height + metrics.between + reach(i, inside);
      }
    });
    for (const [i, members] of inside.bundles) {
      for (const wire of members.map((m) => inside.wires[m])) {
        if (wire.start < 0) inside.entries.set(keyOf(wire), inside.middles[0].get(~i));
        if (wire.leaves) inside.exits.set(keyOf(wire), inside.middles[last].get(~i));
      }
    }
    return [right - left + spare + 2 * metrics.margin, y];
  }

  // How much further apart two layers are, for lines between them that go far sideways.
  function reach(upper, inside) {
    let far = 0;
    for (const slot of inside.layers[upper]) {
      const middle = inside.middles[upper].get(slot);
      for (const [layer, other, off] of inside.ties[upper].get(slot) || [])
        if (layer === upper + 1)
          far = Math.max(far, Math.abs(middle - off - inside.middles[layer].get(other)));
    }
    return Math.min(metrics.steep * far, metrics.steepest);
  }

  // Places and lines of what is in an open box that has its place.
  function draw(number) {
    const inside = worked.get(number), corner = places.get(number);
    inside.layers.forEach((layer, i) => {
      const [top, bottom] = inside.bands[i];
      for (const slot of layer.filter((s) => s >= 0)) {
        const [width, height] = inside.sizes.get(slot);
        const x = corner.x + inside.middles[i].get(slot) - width / 2;
        places.set(slot, { x, y: corner.y + top + (bottom - top - height) / 2, width, height });
      }
    });
    for (const [i, members] of inside.bundles) drawWire(number, i, members);
    for (const child of inside.layer.keys()) if (isOpen(child)) draw(child);
  }

  // The lines of one drawn wire: one to each target, and one to the border.
  function drawWire(number, i, members) {
    const inside = worked.get(number), corner = places.get(number);
    const wire = inside.wires[i];
    const enters = wire.start < 0;
    let points = [];
    let first = 0;
    if (!enters) {
      const box = places.get(wire.start);
      points.push([box.x + startOf(wire, inside), box.y + box.height]);
      first = inside.layer.get(wire.start) + 1;
    }
    for (const k of inside.passed.get(i) || []) {
      const x = corner.x + inside.middles[k].get(~i);
      for (const y of inside.bands[k]) points.push([x, corner.y + y]);
    }
    if (enters) points = points.slice(1); // the border has no height
    let label = labelOf(wire, members);
    const ends = new Map();
    for (const other of members.map((m) => inside.wires[m])) {
      for (const target of other.targets) {
        const end = endOf(other, target, inside);
        const key = target + ":" + end;
        if (!ends.has(key)) ends.set(key, { target, end, keys: [] });
        ends.get(key).keys.push(keyOf(other));
      }
    }
    const source = enters ? number : wire.start;
    for (const { target, end, keys } of ends.values()) {
      const box = places.get(target);
      const passed = points.slice(0, 1 + 2 * (inside.layer.get(target) - first - (enters ? 1 : 0)));
      const partial = isOpen(target) && worked.get(target).entries.has(keys[0]);
      lines.push({ source, target, points: [...passed, [box.x + end, box.y]], keys, label, partial });
      label = "";
    }
    const keys = members.map((m) => inside.wires[m]).filter((w) => w.leaves).map(keyOf);
    if (keys.length)
      lines.push({ source, target: number, points: points.slice(0, -1), keys, label, partial: true });
  }

  // The type at a line's start; how many there are where they leave a folded box.
  function labelOf(wire, members) {
    const startsInside = wire.start !== wire.source && isOpen(wire.start);
    if (wire.start < 0 || startsInside || wire.output < 0) return "";
    return members.length > 1 ? members.length + " tensors" : boxes[wire.source].outputs[wire.output];
  }

  // Lets lines that end in the middle of one box end beside each other.
  function partArrows() {
    const ends = new Map();
    for (const line of lines.filter((l) => !l.partial))
      (ends.get(line.target) || ends.set(line.target, []).get(line.target)).push(line);
    for (const [target, found] of ends) {
      const width = places.get(target).width - 2 * metrics.pad;
      const step = Math.min(metrics.arrows, width / found.length);
      found.sort((a, b) => a.points.at(-2)[0] - b.points.at(-2)[0]);
      found.forEach((line, k) => { line.points.at(-1)[0] += step * (k - (found.length - 1) / 2); });
    }
  }

  const [width, height] = settleInside(0);
  places.set(0, { x: 0, y: 0, width, height });
  draw(0);
  partArrows();
  return { places, lines };
}

// The places nearest to those wanted, in weighted squares, with these least distances.
function spread(wanted, weights, gaps) {
  let sum = 0;
  const offsets = gaps.map((gap) => (sum += gap));
  const blocks = [];
  wanted.forEach((wish, k) => {
    blocks.push([wish - offsets[k], weights[k], 1]);
    while (blocks.length > 1 && blocks.at(-2)[0] >= blocks.at(-1)[0]) {
      const [mean, weight, count] = blocks.pop();
      const last = blocks.at(-1);
      last[0] = (last[0] * last[1] + mean * weight) / (last[1] + weight);
      last[1] += weight;
      last[2] += count;
    }
  });
  const means = blocks.flatMap(([mean, , count]) => Array(count).fill(mean));
  return means.map((mean, k) => mean + offsets[k]);
}
