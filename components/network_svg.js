// Pictures of what is drawn. The same painting goes to a canvas (PNG) or to `svgContext`, which answers to the part of a 2D
// context that vis-network and network_draw.js use, and writes SVG elements.

const SVG = "http://www.w3.org/2000/svg";
const legendHeight = width => (width < 760 ? 52 : 30);

function svgContext(parent) {
  const measure = document.createElement("canvas").getContext("2d"), kept = [];
  const round = value => Math.round(value * 100) / 100;
  let into = parent, path = "", dash = [];
  const look = { fillStyle: "#000", strokeStyle: "#000", lineWidth: 1, globalAlpha: 1, font: "12px sans-serif", textAlign: "left",
    textBaseline: "middle", lineCap: "butt", lineJoin: "miter" };
  const add = (name, attributes, words) => {
    const element = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    if (words !== undefined) element.textContent = words;
    if (c.globalAlpha < 1) element.setAttribute("opacity", c.globalAlpha);
    into.append(element);
  };
  const stroke = () => ({
    stroke: c.strokeStyle, "stroke-width": round(c.lineWidth), "stroke-linecap": c.lineCap, "stroke-linejoin": c.lineJoin,
    ...(dash.length && dash[0] ? { "stroke-dasharray": dash.join(" ") } : {}),
  });
  const text = (words, x, y, paint) => add("text", {
    x: round(x), y: round(y), style: `font: ${c.font}`, "text-anchor": { center: "middle", right: "end" }[c.textAlign] ?? "start",
    "dominant-baseline": { middle: "central", hanging: "hanging" }[c.textBaseline] ?? "alphabetic", ...paint,
  }, words);
  const point = (letter, ...numbers) => { path += letter + numbers.map(round).join(" "); };
  const c = {
    ...look,
    group(name, id) {
      into = document.createElementNS(SVG, "g");
      into.setAttribute("class", name);
      if (id) into.setAttribute("data-id", id);
      parent.append(into);
    },
    save() { kept.push([Object.fromEntries(Object.keys(look).map(key => [key, c[key]])), dash]); },
    restore() { const [before, dashes] = kept.pop(); Object.assign(c, before); dash = dashes; },
    setLineDash(dashes) { dash = dashes; },
    beginPath() { path = ""; },
    closePath() { if (path) path += "Z"; },
    moveTo: (x, y) => point("M", x, y),
    lineTo: (x, y) => point("L", x, y),
    quadraticCurveTo: (...numbers) => point("Q", ...numbers),
    bezierCurveTo: (...numbers) => point("C", ...numbers),
    rect: (x, y, w, h) => { point("M", x, y); path += `h${round(w)}v${round(h)}h${round(-w)}Z`; },
    arc(x, y, r, from, to) {
      const at = angle => [x + r * Math.cos(angle), y + r * Math.sin(angle)], large = to - from > Math.PI ? 1 : 0;
      point(path ? "L" : "M", ...at(from));
      if (to - from > 6.28) point("A", r, r, 0, 1, 1, ...at(from + Math.PI));
      point("A", r, r, 0, to - from > 6.28 ? 1 : large, 1, ...at(to));
    },
    stroke() { if (path) add("path", { d: path, fill: "none", ...stroke() }); },
    fill() { if (path) add("path", { d: path, fill: c.fillStyle }); },
    fillRect(x, y, w, h) { c.beginPath(); c.rect(x, y, w, h); c.fill(); },
    fillText: (words, x, y) => text(words, x, y, { fill: c.fillStyle }),
    strokeText: (words, x, y) => text(words, x, y, { fill: "none", ...stroke() }),
    measureText(words) { measure.font = c.font; return measure.measureText(words); },
  };
  return c;
}

function paintAll(context, network, s) {  // in vis-network's order: lines, nodes, arrow heads; then the names
  const { body } = network, group = (name, id) => context.group?.(name, id);
  const edges = body.edgeIndices.map(id => body.edges[id]), hidden = edges.map(edge => edge.options.hidden);
  for (const edge of edges) edge.options.hidden = false;  // on the screen, one picture stands for those that are dimmed
  group("background");
  paintBackground(context, s);
  for (const edge of edges) { group("edge", edge.id); edge.draw(context); }
  for (const id of body.nodeIndices) { group("node", id); body.nodes[id].draw(context); }
  for (const edge of edges) { group("arrow"); edge.drawArrows(context); }
  edges.forEach((edge, at) => { edge.options.hidden = hidden[at]; });
  group("names");
  paintMarks(context, s);
  paintNames(context, s, body.view.scale);
}

function paintLegend(context, s, top, width) {
  let x = 12, y = top + 15;
  for (const [mark, words, colour, dashed] of legendEntries(s.view)) {
    context.font = `12px ${s.family}`;
    if (x + 34 + context.measureText(words).width > width) [x, y] = [12, y + 22];
    paintMark(context, mark, x, y, s.c[colour], dashed);
    x += mark ? 34 : 0;
    write(context, words, x, y, s.c.text, "12px", "left", s.family);
    x += context.measureText(words).width + 18;
  }
}

function saveSvg(area, network, s) {
  const [width, height] = [area.clientWidth, area.clientHeight], { translation, scale } = network.body.view;
  const make = (tag, values, parent) => {
    const element = document.createElementNS(SVG, tag);
    Object.entries(values).forEach(([key, value]) => element.setAttribute(key, value));
    parent?.append(element);
    return element;
  };
  const size = { width, height: height + legendHeight(width) };
  const picture = make("svg", { ...size, viewBox: `0 0 ${width} ${size.height}` });
  make("rect", { ...size, fill: s.c.background }, picture);
  const part = make("svg", { width, height }, picture);  // clips what is zoomed out of sight
  const moved = make("g", { transform: `translate(${translation.x} ${translation.y}) scale(${scale})` }, part);
  paintAll(svgContext(moved), network, s);
  paintLegend(svgContext(make("g", { class: "legend" }, picture)), s, height, width);
  offer(`circuit-${s.view.name}.svg`, new Blob([new XMLSerializer().serializeToString(picture)], { type: "image/svg+xml" }));
}

function savePng(area, network, s) {
  const [width, height] = [area.clientWidth, area.clientHeight], { translation, scale } = network.body.view;
  const sharp = 2, canvas = document.createElement("canvas"), context = canvas.getContext("2d");
  [canvas.width, canvas.height] = [sharp * width, sharp * (height + legendHeight(width))];
  context.scale(sharp, sharp);
  context.fillStyle = s.c.background;
  context.fillRect(0, 0, width, height + legendHeight(width));
  context.save();
  context.beginPath();
  context.rect(0, 0, width, height);
  context.clip();
  context.translate(translation.x, translation.y);
  context.scale(scale, scale);
  paintAll(context, network, s);
  context.restore();
  paintLegend(context, s, height, width);
  canvas.toBlob(blob => offer(`circuit-${s.view.name}.png`, blob));
}

function offer(name, blob) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
