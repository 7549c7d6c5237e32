// SPDX-License-Identifier: ISC
// Lets the reader zoom into the waveform of a run, edge by edge: by button, key and click.
// Without it the page lacks nothing but this; times are ns after the first observed edge.

"use strict";

const HEIGHT = 132;
const LANES = { commanded: [58, 22], observed: [106, 22] };
const CLOSEST_NS = 1000;

/** What a run was told to do and did, from the attributes that the page carries. */
function waveform(data) {
  const observed = [];
  let at = 0;
  for (const step of data.steps.split(" ")) observed.push((at += Number(step)));
  const [on, off, count] = [data.onNs, data.offNs, data.commanded].map(Number);
  const cycle = (time) => Math.max(0, Math.floor(time / (on + off)));
  const [begin, end] = [2 * cycle(observed[0]), Math.min(count, 2 * cycle(at) + 4)];
  const commanded = [];
  for (let n = begin; n < end; n++) commanded.push(Math.floor(n / 2) * (on + off) + (n % 2) * on);
  const [first, level] = [Number(data.first), Number(data.level)];
  return { observed, commanded, on, off, first, level, late: Number(data.lateNs) };
}

/** A number of ns as people read it beside a range of this length. */
function told(ns, range) {
  const [unit, size] = range < 5e3 ? ["ns", 1] : range < 5e6 ? ["µs", 1e3] : ["ms", 1e6];
  const digits = size === 1 ? 0 : 3;
  const number = new Intl.NumberFormat("en", { maximumFractionDigits: digits });
  return `${number.format(ns / size)}\u00a0${unit}`;
}

function draw(parent, name, attributes, text) {
  const element = document.createElementNS(parent.namespaceURI, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  if (text !== undefined) element.textContent = text;
  parent.append(element);
  return element;
}

class Zoom {
  constructor(box) {
    this.wave = waveform(box.dataset);
    this.svg = box.querySelector("svg");
    this.readout = box.querySelector("output");
    this.edge = this.nearest(Number(box.dataset.markNs));
    const acts = {
      previous: () => this.go(this.edge - 1),
      next: () => this.go(this.edge + 1),
      closer: () => this.show(this.range / 4),
      farther: () => this.show(this.range * 4),
      all: () => this.show(Infinity),
    };
    for (const button of box.querySelectorAll("button")) {
      button.addEventListener("click", acts[button.dataset.act]);
    }
    const keys = { ArrowLeft: "previous", ArrowRight: "next", "+": "closer", "-": "farther", 0: "all" };
    box.addEventListener("keydown", (event) => {
      if (!(event.key in keys) || event.ctrlKey || event.metaKey || event.altKey) return;
      event.preventDefault();
      acts[keys[event.key]]();
    });
    this.svg.addEventListener("click", (event) => this.go(this.nearest(this.timeAt(event))));
    box.hidden = false;
    this.show(2.5 * (this.wave.on + this.wave.off));
    new ResizeObserver(() => this.redraw()).observe(this.svg);
  }

  get whole() {
    const { observed, on, off } = this.wave;
    return observed.at(-1) - observed[0] + on + off;
  }

  go(edge) {
    this.edge = Math.min(Math.max(edge, 0), this.wave.observed.length - 1);
    this.redraw();
  }

  show(range) {
    this.range = Math.min(Math.max(range, CLOSEST_NS), this.whole);
    this.redraw();
  }

  nearest(time) {
    const apart = this.wave.observed.map((at) => Math.abs(at - time));
    return apart.indexOf(Math.min(...apart));
  }

  timeAt(event) {
    const box = this.svg.getBoundingClientRect();
    return this.low + ((event.clientX - box.left) / box.width) * this.range;
  }

  /** The selected edge stays in the middle, unless everything is shown. */
  redraw() {
    const { observed, on, off } = this.wave;
    const isWhole = this.range >= this.whole;
    this.low = isWhole ? observed[0] - (on + off) / 2 : observed[this.edge] - this.range / 2;
    this.width = this.svg.clientWidth || 600;
    this.svg.setAttribute("viewBox", `0 0 ${this.width} ${HEIGHT}`);
    this.svg.replaceChildren();
    this.drawDoubt();
    this.drawLane("commanded", this.wave.commanded, 1);
    this.drawLane("observed", observed, this.wave.level);
    this.drawAxis();
    this.svg.setAttribute("aria-label", `Waveform, ${told(this.range, this.range)} wide`);
    this.readout.textContent = this.words();
  }

  x(ns) {
    return ((ns - this.low) / this.range) * this.width;
  }

  /** Where the observer's stamp lets the selected edge be: its stamp may be late, never early. */
  drawDoubt() {
    const at = this.wave.observed[this.edge];
    const [left, right] = [this.x(at - this.wave.late), this.x(at)];
    const place = { x: left, y: 20, width: Math.max(right - left, 1), height: 90, class: "doubt" };
    draw(this.svg, "rect", place);
    draw(this.svg, "path", { d: `M${right} 20v90`, class: "selected" });
  }

  drawLane(name, times, first) {
    const [base, height] = LANES[name];
    const begin = times.findIndex((at) => at >= this.low);
    const from = begin < 0 ? times.length : begin;
    const level = (n) => (n % 2 ? 1 - first : first);
    const y = (n) => base - height * level(n);
    let path = `M0 ${y(from + 1)}`;
    for (let n = from; n < times.length && times[n] <= this.low + this.range; n++) {
      path += `H${this.x(times[n])}V${y(n)}`;
    }
    draw(this.svg, "path", { d: `${path}H${this.width}`, class: name });
    draw(this.svg, "text", { x: 4, y: base - height - 5 }, name);
  }

  drawAxis() {
    const rough = this.range / Math.max(2, Math.floor(this.width / 130));
    const power = 10 ** Math.floor(Math.log10(rough));
    const step = power * [1, 2, 5, 10].find((times) => times * power >= rough);
    for (let at = Math.ceil(this.low / step) * step; at <= this.low + this.range; at += step) {
      draw(this.svg, "path", { d: `M${this.x(at)} 110v4`, class: "tick" });
      draw(this.svg, "text", { x: this.x(at), y: 127, "text-anchor": "middle" }, told(at, step * 5));
    }
  }

  words() {
    const { observed, on, off, first, level } = this.wave;
    const at = observed[this.edge];
    const isOn = (this.edge % 2 ? 1 - level : level) === 1;
    const text = `Edge ${first + this.edge}: ${isOn ? "on" : "off"} at ${told(at, 1e9)}.`;
    if (this.edge === 0) return text;
    const [length, nominal] = [at - observed[this.edge - 1], isOn ? off : on];
    const more = length < nominal ? "less" : "more";
    const error = told(Math.abs(length - nominal), 1e9);
    return `${text} ${isOn ? "Off" : "On"} for ${told(length, 1e9)} before: ${error} ${more} than commanded.`;
  }
}

for (const box of document.querySelectorAll(".zoom")) new Zoom(box);

// Paper shows what a reader would have to open.
let opened = [];
addEventListener("beforeprint", () => {
  opened = [...document.querySelectorAll("details:not([open])")];
  for (const details of opened) details.open = true;
});
addEventListener("afterprint", () => {
  for (const details of opened) details.open = false;
});
