// Draws what components/circuit_network.py calls a view. Positions arrive in layers and lanes; here they become pixels, so that
// the diagram fills whatever width it gets. Data reaches the page as canvas text or textContent only, never as markup.

const DIMMED = 0.06, MARGIN = { left: 40, right: 8, top: 42, bottom: 38 };

function drawCircuit(root, data, onSelect, onMove) {
  const area = root.querySelector(".canvas"), said = root.querySelector(".said");
  const nodes = new vis.DataSet(), edges = new vis.DataSet();
  let unit = {}, selected = null, hovered = null, current = data, c = current.palettes.light;

  const network = new vis.Network(area, { nodes, edges }, { ...current.options, autoResize: false });

  function place() {  // one layer and one lane in pixels, with the middle of the grid at the origin
    const { n_layers, lanes } = current.axes;
    unit = {
      x: (area.clientWidth - MARGIN.left - MARGIN.right) / (n_layers + 2.2),
      y: (area.clientHeight - MARGIN.top - MARGIN.bottom) / lanes.length,
    };
    unit.atX = layer => (layer - (n_layers - 1) / 2) * unit.x + (MARGIN.left - MARGIN.right) / 2;
    unit.atY = lane => (lane - (lanes.length - 1) / 2) * unit.y + (MARGIN.top - MARGIN.bottom) / 2;
    unit.spacious = unit.x > 70 && unit.y > 36;  // room for a name under every node
  }

  function fill() {
    const small = Math.min(1, unit.x / 60, unit.y / 24);
    const keep = new Set(current.nodes.map(node => node.id));
    edges.clear();  // cheap at this size, and it keeps the order: the strongest is drawn last, on top
    nodes.remove(nodes.getIds().filter(id => !keep.has(id)));
    nodes.update(current.nodes.map(node => styled({
      ...node, x: unit.atX(node.x), y: unit.atY(node.y), size: Math.max(3, node.size * small),
    })));
    edges.add(current.edges.map(edge => ({
      ...edge, color: { color: hue(edge), opacity: strength(edge) }, dashes: current.groups[edge.group].dashed && [7, 5],
      arrows: { to: { enabled: true, type: edge.score < 0 ? "bar" : "arrow", scaleFactor: 0.5 } },
    })));
    highlight();
  }

  const hue = edge => c[current.groups[edge.group].colour], strength = edge => Math.min(0.9, 0.4 + 0.1 * edge.width);

  function styled(node) {
    const colour = { background: c.panel, border: c.text };
    return { ...node, color: { ...colour, highlight: colour, hover: colour } };
  }

  function highlight() {
    const focus = hovered ?? selected, near = new Set([focus]);
    edges.update(current.edges.map(edge => {
      const on = focus === null || edge.from === focus || edge.to === focus;
      if (on) near.add(edge.from).add(edge.to);
      return { id: edge.id, color: { color: hue(edge), opacity: on ? strength(edge) : DIMMED } };
    }));
    nodes.update(current.nodes.map(node => {
      const on = focus === null || near.has(node.id), crowded = !unit.spacious && near.size > 10;
      const named = node.shape === "box" || node.id === focus || (on && !crowded && (focus !== null || unit.spacious));
      const font = { size: named ? 12 : 0, color: c.text, vadjust: node.shape === "box" ? 0 : -4 };
      return { id: node.id, opacity: on ? 1 : 0.2, borderWidth: node.id === selected ? 4 : 2, font };
    }));
  }

  function choose(node, tell) {
    selected = node;
    said.textContent = node === null ? "" : `${node} selected`;
    network.unselectAll();  // vis-network's own selection would outlive a rerun
    highlight();
    if (tell) onSelect(node);
  }

  function background(context) {
    const { n_layers, boundary, lanes } = current.axes;
    const edge = unit.atX(boundary - 0.5), left = unit.atX(-1.6), right = unit.atX(n_layers + 0.6);
    const top = unit.atY(-0.5), bottom = unit.atY(lanes.length - 0.5);
    for (const [side, from, to] of boundary === null ? [] : [["early", left, edge], ["late", edge, right]]) {
      context.globalAlpha = 0.09;
      context.fillStyle = c[side];
      context.fillRect(from, top, to - from, bottom - top);
    }
    context.globalAlpha = 1;
    context.strokeStyle = c.grid;
    context.lineWidth = 1;
    for (let lane = 0; lane < lanes.length - 1; lane++) line(context, left, unit.atY(lane + 0.5), right, unit.atY(lane + 0.5));
    for (let layer = 0; layer <= n_layers; layer++) line(context, unit.atX(layer - 0.5), top, unit.atX(layer - 0.5), bottom);
    for (let layer = 0; layer < n_layers; layer++) text(context, String(layer), unit.atX(layer), bottom + 10, c.muted, "12px", "center");
    text(context, "layer", unit.atX((n_layers - 1) / 2), bottom + 26, c.muted, "12px", "center");
    const step = Math.ceil(13 / unit.y);
    lanes.forEach((name, lane) => {
      if (lane % step === 0 || name === "MLP") text(context, name, left - 6, unit.atY(lane), c.muted, "12px", "right");
    });
    if (boundary === null) return;
    context.strokeStyle = c.text;
    context.lineWidth = 2;
    line(context, edge, top - 32, edge, bottom);
    if (onMove) {  // a handle
      context.beginPath();
      context.arc(edge, top - 15, 6, 0, 2 * Math.PI);
      context.fillStyle = c.text;
      context.fill();
    }
    const share = part => current.axes.late === null ? "" : `  ${Math.round(100 * part)}%`;
    text(context, `early${share(1 - current.axes.late)}`, edge - 12, top - 15, c.early, "bold 19px", "right");
    text(context, `late${share(current.axes.late)}`, edge + 12, top - 15, c.late, "bold 19px", "left");
  }

  function line(context, x1, y1, x2, y2) {
    context.beginPath();
    context.moveTo(x1, y1);
    context.lineTo(x2, y2);
    context.stroke();
  }

  function text(context, words, x, y, colour, font, align) {
    context.font = `${font} ${getComputedStyle(area).fontFamily}`;
    context.textAlign = align;
    context.textBaseline = "middle";
    context.fillStyle = colour;
    context.fillText(words, x, y);
  }

  function dragBoundary() {  // what is early or late is Python's to say: while dragging only the line moves
    const at = event => network.DOMtoCanvas({ x: event.offsetX, y: event.offsetY }).x;
    const near = event => current.axes.boundary !== null && Math.abs(at(event) - unit.atX(current.axes.boundary - 0.5)) * network.getScale() < 7;
    let start = null;
    area.addEventListener("pointerdown", event => {
      if (!near(event)) return;
      start = current.axes.boundary;
      area.setPointerCapture(event.pointerId);
      event.stopPropagation();  // else the whole view would move
    }, { capture: true });
    area.addEventListener("pointermove", event => {
      area.style.cursor = start !== null || near(event) ? "col-resize" : "";
      if (start === null) return;
      const boundary = Math.round((at(event) - unit.atX(0)) / unit.x + 0.5);
      current.axes.boundary = Math.max(1, Math.min(current.axes.n_layers - 1, boundary));
      network.redraw();
    });
    area.addEventListener("pointerup", () => {
      if (start !== null && start !== current.axes.boundary) onMove(current.axes.boundary);
      start = null;
    });
  }

  function reset() {
    network.moveTo({ position: { x: 0, y: 0 }, scale: 1 });
  }

  function resize() {
    if (!area.clientWidth || !area.clientHeight) return;
    network.setSize(`${area.clientWidth}px`, `${area.clientHeight}px`);
    place();
    fill();
    network.redraw();
    reset();
  }

  function step(by) {  // keyboard: from node to node in reading order
    const order = [...current.nodes].sort((a, b) => a.x - b.x || a.y - b.y).map(node => node.id);
    const at = order.indexOf(hovered ?? selected);
    hovered = order[at < 0 ? 0 : (at + by + order.length) % order.length];
    said.textContent = current.nodes.find(node => node.id === hovered).title;
    highlight();
  }

  network.on("beforeDrawing", background);
  network.on("hoverNode", event => { hovered = event.node; highlight(); });
  network.on("blurNode", () => { hovered = null; highlight(); });
  network.on("click", event => choose(event.nodes.length && event.nodes[0] !== selected ? event.nodes[0] : null, true));
  // The wheel scrolls the page; with Ctrl it zooms the graph.
  area.addEventListener("wheel", event => { if (!event.ctrlKey) event.stopPropagation(); }, { capture: true });
  area.addEventListener("keydown", event => {
    const by = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (by) step(by);
    else if (event.key === "Enter" && hovered !== null) choose(hovered, true);
    else if (event.key === "Escape") { hovered = null; choose(null, true); }
    else return;
    event.preventDefault();
  });
  area.addEventListener("blur", () => { hovered = null; highlight(); });
  root.querySelectorAll("[data-zoom]").forEach(button => button.addEventListener("click", () => {
    const factor = Number(button.dataset.zoom);
    factor ? network.moveTo({ scale: network.getScale() * factor }) : reset();
  }));

  function update(next) {
    const changed = next.name !== current.name;
    current = next;
    selected = next.selected;
    c = current.palettes[isDark(area) ? "dark" : "light"];
    for (const [name, value] of Object.entries({ ...c, height: next.height })) area.parentElement.style.setProperty(`--${name}`, value);
    const tip = area.querySelector(".vis-tooltip");
    if (tip) tip.style.visibility = "hidden";  // what it describes may be gone
    place();
    fill();
    network.redraw();
    if (changed) reset();
  }

  root.querySelector("[data-save]").addEventListener("click", () => {
    const drawn = area.querySelector("canvas"), picture = document.createElement("canvas"), link = document.createElement("a");
    [picture.width, picture.height] = [drawn.width, drawn.height];
    const context = picture.getContext("2d");
    context.fillStyle = c.background;
    context.fillRect(0, 0, picture.width, picture.height);
    context.drawImage(drawn, 0, 0);
    link.href = picture.toDataURL("image/png");
    link.download = `circuit-${current.name}.png`;
    link.click();
  });

  if (onMove) dragBoundary();
  update(data);
  const observer = new ResizeObserver(resize);
  observer.observe(area);
  area.circuit = { network, at: id => network.canvasToDOM(network.getPosition(id)) };  // for tests, which must find a node to click
  return { update, destroy: () => { observer.disconnect(); network.destroy(); } };
}

function isDark(element) {  // Streamlit hands its theme to components as CSS variables; a page on its own has none and is light
  const colour = getComputedStyle(element).getPropertyValue("--st-background-color").match(/^#(..)(..)(..)/);
  return colour !== null && colour.slice(1).reduce((sum, part) => sum + parseInt(part, 16), 0) < 3 * 128;
}

function mountCircuit({ data, parentElement, setTriggerValue }) {  // called again for every rerun; the drawing stays
  parentElement.tell = setTriggerValue;  // a trigger: the same choice twice is two choices
  const onSelect = node => parentElement.tell("node", node ?? ""), onMove = layer => parentElement.tell("boundary", layer);
  if (parentElement.drawing) parentElement.drawing.update(data);
  else parentElement.drawing = drawCircuit(parentElement, data, onSelect, onMove);
  return () => { parentElement.drawing?.destroy(); parentElement.drawing = null; };
}
