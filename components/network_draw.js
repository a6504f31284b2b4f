// Paints what is not vis-network's: lanes, halves, names, rings, legend. `context` is a canvas's, or the one of network_svg.js.

const DIMMED = 0.06, MARGIN = { left: 40, right: 8, top: 42, topmost: 14, bottom: 38 };  // top: room for the two halves' names
const ENDS = 34;  // pixels: room for the boxes of input and logits

function geometry(area, { n_layers, lanes, boundary }) {  // one layer and one lane in pixels, with the middle of the grid at the origin
  const x = (area.clientWidth - MARGIN.left - MARGIN.right - 2 * ENDS) / (n_layers + 1);
  const top = boundary === null ? MARGIN.topmost : MARGIN.top, y = (area.clientHeight - top - MARGIN.bottom) / lanes.length;
  const atX = layer => (layer - (n_layers - 1) / 2) * x + (MARGIN.left - MARGIN.right) / 2;
  const atY = lane => (lane - (lanes.length - 1) / 2) * y + (top - MARGIN.bottom) / 2;
  const frame = { left: atX(-1) - ENDS, right: atX(n_layers) + ENDS, top: atY(-0.5), bottom: atY(lanes.length - 0.5) };
  return { x, y, atX, atY, ...frame };
}

function write(context, words, x, y, colour, font, align, family) {
  context.font = `${font} ${family}`;
  context.textAlign = align;
  context.textBaseline = "middle";
  context.fillStyle = colour;
  context.fillText(words, x, y);
}

function line(context, x1, y1, x2, y2) {
  context.beginPath();
  context.moveTo(x1, y1);
  context.lineTo(x2, y2);
  context.stroke();
}

function paintBackground(context, s) {
  const { n_layers, n_heads, lanes } = s.view.axes, { c, unit, family } = s, { left, right, top, bottom } = unit;
  if (s.boundary !== null) paintHalves(context, s);
  context.strokeStyle = c.grid;
  context.lineWidth = 1;
  for (let lane = 0; lane < lanes.length - 1; lane++) line(context, left, unit.atY(lane + 0.5), right, unit.atY(lane + 0.5));
  for (let layer = 0; layer <= n_layers; layer++) line(context, unit.atX(layer - 0.5), top, unit.atX(layer - 0.5), bottom);
  const across = Math.ceil(18 / unit.x), down = Math.ceil(13 / unit.y);
  for (let layer = 0; layer < n_layers; layer += across) {
    write(context, String(layer), unit.atX(layer), bottom + 10, c.muted, "12px", "center", family);
  }
  write(context, "layer", unit.atX((n_layers - 1) / 2), bottom + 26, c.muted, "12px", "center", family);
  lanes.forEach((name, lane) => {
    if (lane % down === 0 || name === "MLP") write(context, name, left - 6, unit.atY(lane), c.muted, "12px", "right", family);
  });
  if (lanes.length <= n_heads) {
    write(context, `lanes: the ${lanes.length - 1} of ${n_heads} heads that occur`, left, bottom + 26, c.muted, "12px", "left", family);
  }
  if (s.boundary !== null) paintBoundary(context, s);
}

function paintHalves(context, { boundary, unit, c }) {
  const middle = unit.atX(boundary - 0.5), { left, right, top, bottom } = unit;
  for (const [side, from, to] of [["early", left, middle], ["late", middle, right]]) {
    context.globalAlpha = 0.09;
    context.fillStyle = c[side];
    context.fillRect(from, top, to - from, bottom - top);
  }
  context.globalAlpha = 1;
}

function paintBoundary(context, { boundary, view, unit, c, family, movable }) {
  const middle = unit.atX(boundary - 0.5), { late } = view.axes, { top, bottom } = unit;
  context.strokeStyle = c.text;
  context.lineWidth = 2;
  line(context, middle, top - 32, middle, bottom);
  if (movable) {  // a handle
    context.beginPath();
    context.arc(middle, top - 15, 6, 0, 2 * Math.PI);
    context.fillStyle = c.text;
    context.fill();
  }
  const share = part => (late === null ? "" : `  ${Math.round(100 * part)}%`);
  write(context, `early${share(1 - late)}`, middle - 12, top - 15, c.early, "bold 19px", "right", family);
  write(context, `late${share(late)}`, middle + 12, top - 15, c.late, "bold 19px", "left", family);
}

const isMany = view => view.edges.length > 600;  // then lines wait until the view stands still

// All edges, dimmed, as one picture that is made anew only when the view moves: 2,000 lines take too long for every hover.
function paintDimmed(context, network, s) {
  if (isMany(s.view) && (network.renderer.dragging || network.renderer.zooming)) return;
  const { canvas } = network.canvas.frame, { translation, scale } = network.body.view, ratio = network.canvas.pixelRatio;
  const state = [canvas.width, canvas.height, translation.x, translation.y, scale].join();
  if (s.dimmed?.drawn !== s.drawn || s.dimmed.state !== state) {
    const picture = Object.assign(document.createElement("canvas"), { width: canvas.width, height: canvas.height });
    const onPicture = picture.getContext("2d");
    onPicture.setTransform(ratio * scale, 0, 0, ratio * scale, ratio * translation.x, ratio * translation.y);
    const edges = network.body.edgeIndices.map(id => network.body.edges[id]);
    const before = edges.map(({ options }) => [options.hidden, options.color.opacity, options.dashes]), many = isMany(s.view);
    for (const { options } of edges) Object.assign(options, { hidden: false, dashes: !many && options.dashes }).color.opacity = DIMMED;
    for (const edge of edges) edge.draw(onPicture);
    if (!many) for (const edge of edges) edge.drawArrows(onPicture);
    edges.forEach(({ options }, at) => { [options.hidden, options.color.opacity, options.dashes] = before[at]; });
    s.dimmed = { drawn: s.drawn, state, picture };
  }
  context.save();
  context.setTransform(1, 0, 0, 1, 0, 0);
  context.drawImage(s.dimmed.picture, 0, 0);
  context.restore();
}

function paintMarks(context, s) {  // rings: pinned nodes a double one, the cursor a dashed one; the selected node is filled
  for (const node of s.view.nodes) {
    const x = s.unit.atX(node.x), y = s.unit.atY(node.y), [width, height] = s.half(node);
    const ring = (gap, dash) => {
      context.beginPath();
      if (node.shape === "dot") context.arc(x, y, width + gap, 0, 2 * Math.PI);
      else context.rect(x - width - gap, y - height - gap, 2 * (width + gap), 2 * (height + gap));
      context.setLineDash(dash);
      context.strokeStyle = s.c.text;
      context.lineWidth = 2;
      context.stroke();
      context.setLineDash([]);
    };
    if (s.pins.includes(node.id)) ring(5, []);
    if (s.selected === node.id && node.shape === "box") ring(3, []);
    if (s.cursor === node.id) ring(9, [3, 3]);
  }
}

function paintNames(context, s, scale) {  // at one size whatever the zoom, and only where they hide neither node nor name
  const size = 12 / scale, first = id => (id === s.hovered || id === s.selected || s.pins.includes(id) ? 1 : 0);
  const shown = s.view.nodes.filter(node => node.shape !== "box" && (!s.bright || s.bright.nodes.has(node.id)));
  const square = node => ({ x: s.unit.atX(node.x), y: s.unit.atY(node.y), w: 2 * s.half(node)[0], h: 2 * s.half(node)[1] });
  const taken = s.view.nodes.map(node => ({ ...square(node), id: node.id }));
  const meets = (a, b) => 2 * Math.abs(a.x - b.x) < a.w + b.w && 2 * Math.abs(a.y - b.y) < a.h + b.h;
  const floor = s.unit.bottom + 4, ceiling = s.unit.top - 2;  // beyond them stand the layers, early and late
  context.lineJoin = "round";
  for (const node of shown.sort((a, b) => first(b.id) - first(a.id) || b.size - a.size)) {
    context.font = `12px ${s.family}`;
    const { x, y, h } = square(node), w = (context.measureText(node.id).width + 4) / scale;
    const gap = s.pins.includes(node.id) ? 10 : 2;
    const places = [1, -1].map(way => ({ x, y: y + way * (h / 2 + gap + size / 2), w, h: size }));
    const fits = spot => spot.y + spot.h / 2 < floor && spot.y - spot.h / 2 > ceiling;
    const free = spot => fits(spot) && !taken.some(other => other.id !== node.id && meets(spot, other));
    const place = places.find(free) ?? (first(node.id) && places[0]);
    if (!place) continue;
    taken.push(place);
    context.font = `${size}px ${s.family}`;
    context.textAlign = "center";
    context.textBaseline = "middle";
    context.strokeStyle = s.c.background;  // so that an edge below does not cross the letters
    context.lineWidth = 4 / scale;
    context.strokeText(node.id, place.x, place.y);
    context.fillStyle = s.c.text;
    context.fillText(node.id, place.x, place.y);
  }
}

function legendEntries({ groups, legend, nodes, edges }) {  // only what is in the view: [mark, words, colour, dashed]
  const kinds = new Set(nodes.map(node => node.kind)), [arrow, bar] = legend.effects ?? [];
  return [
    ...Object.values(groups).map(group => ["line", group.label, group.colour, group.dashed]),
    ...(arrow && edges.some(edge => edge.score >= 0) ? [["arrow", arrow, "muted"]] : []),
    ...(bar && edges.some(edge => edge.score < 0) ? [["bar", bar, "muted"]] : []),
    ...(kinds.has("head") ? [["dot", "head", "muted"]] : []), ...(kinds.has("MLP") ? [["square", "MLP", "muted"]] : []),
    ["", `width: ${legend.width}`, "muted"],
  ];
}

function paintMark(context, mark, x, y, colour, dashed) {  // 28 pixels wide
  [context.strokeStyle, context.fillStyle, context.lineWidth] = [colour, colour, mark === "line" ? 4 : 2];
  context.setLineDash(dashed ? [7, 5] : []);
  if (["line", "arrow", "bar"].includes(mark)) line(context, x, y, x + (mark === "arrow" ? 20 : 28), y);
  context.setLineDash([]);
  if (mark === "bar") line(context, x + 28, y - 5, x + 28, y + 5);
  context.beginPath();
  if (mark === "arrow") [[20, -5], [28, 0], [20, 5]].forEach(([dx, dy], at) => context[at ? "lineTo" : "moveTo"](x + dx, y + dy));
  if (mark === "dot") context.arc(x + 22, y, 5, 0, 2 * Math.PI);
  if (mark === "square") context.rect(x + 17, y - 5, 10, 10);
  if (["arrow", "dot", "square"].includes(mark)) context.fill();
}
