"use strict";
// Small live plots in SVG: one or two lines over the last points, a grid of three, a cross hair with
// the values, and the last values in words for those who cannot see the lines.

const SVG = "http://www.w3.org/2000/svg";
const PLOT_POINTS = 150;

function svg(name, attributes, parent) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  parent.append(element);
  return element;
}

// 1, 2 or 5 times a power of ten, at least the value; `least` when there is nothing.
function roundUp(value, least) {
  if (!(value > 0)) return least;
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 5, 10].map((step) => step * power).find((step) => step >= value * 0.999);
}

class Plot {
  // names: of the lines; format: a value as text
  constructor(place, names, format, caption, least) {
    this.least = least;
    this.names = names;
    this.format = format;
    this.points = []; // [seconds, value, value...]; null: no value
    this.svg = svg("svg", { viewBox: "0 0 320 150", preserveAspectRatio: "none", role: "img", "aria-labelledby": caption }, place);
    this.text = document.createElement("ul");
    this.text.className = "legend";
    place.append(this.text);
    this.at = null;
    this.svg.addEventListener("pointermove", (event) => this.point(event));
    this.svg.addEventListener("pointerleave", () => { this.at = null; this.draw(); });
    this.draw();
  }

  point(event) {
    const box = this.svg.getBoundingClientRect();
    const from = this.points.length ? this.points[this.points.length - 1][0] - 2 * PLOT_POINTS : 0;
    const when = from + ((event.clientX - box.left) / box.width) * 2 * PLOT_POINTS;
    this.at = this.points.reduce((best, p) => (best && Math.abs(best[0] - when) < Math.abs(p[0] - when) ? best : p), null);
    this.draw();
  }

  add(when, values) {
    this.points.push([when, ...values]);
    while (this.points.length > PLOT_POINTS) this.points.shift();
    this.draw();
  }

  clear() {
    this.points = [];
    this.at = null;
    this.draw();
  }

  draw() {
    const box = this.svg.getBoundingClientRect();
    const width = Math.max(box.width, 100), height = 150, bottom = height - 6, top = 16;
    this.svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    this.svg.replaceChildren();
    const values = this.points.flatMap((p) => p.slice(1)).filter((v) => v !== null);
    const most = roundUp(Math.max(0, ...values), this.least);
    const last = this.points.length ? this.points[this.points.length - 1][0] : 0;
    const x = (when) => width - 4 - ((last - when) / (2 * PLOT_POINTS)) * (width - 4);
    const y = (value) => bottom - (value / most) * (bottom - top);
    for (const part of [0, 0.5, 1]) {
      svg("line", { class: part ? "grid" : "base", x1: 0, x2: width, y1: y(most * part), y2: y(most * part) }, this.svg);
      if (part) svg("text", { x: 2, y: y(most * part) - 3 }, this.svg).textContent = this.format(most * part);
    }
    this.names.forEach((name, i) => this.line(i, x, y));
    if (this.at) svg("line", { class: "cross", x1: x(this.at[0]), x2: x(this.at[0]), y1: top, y2: bottom }, this.svg);
    this.legend();
  }

  line(i, x, y) {
    let path = "", down = false;
    for (const p of this.points) {
      const value = p[i + 1];
      if (value !== null) path += `${down ? "L" : "M"}${x(p[0]).toFixed(1)} ${y(value).toFixed(1)}`;
      down = value !== null;
    }
    if (path) svg("path", { class: `line ${i ? "b" : "a"}`, d: path }, this.svg);
  }

  legend() {
    const p = this.at || this.points[this.points.length - 1];
    this.text.replaceChildren(...this.names.map((name, i) => {
      const item = document.createElement("li"), value = document.createElement("b");
      item.className = i ? "b" : "a";
      value.textContent = !p || p[i + 1] === null ? "–" : this.format(p[i + 1]);
      item.append(`${name} `, value);
      return item;
    }));
  }
}
