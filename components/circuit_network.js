// Draws what components/network_view.py calls a view, and keeps what its reader does to it. Positions arrive in layers and lanes and
// become pixels here, so that the graph fills whatever width it gets. Data reaches the page as canvas text or textContent only.

const HOVER = "lethe-circuit-hover", cameras = (window.letheCameras ??= {});  // survives a drawing that is put up anew
const sent = (window.letheSent ??= { by: null, marks: "", at: 0 });  // what the reader marked last, in whichever graph

function drawCircuit(root, data, tell) {  // `tell(what, value)` hands a choice to Python; null where there is none
  const box = root.querySelector(".circuit"), area = root.querySelector(".canvas"), said = root.querySelector(".said");
  const nodes = new vis.DataSet(), edges = new vis.DataSet(), me = {};
  const network = new vis.Network(area, { nodes, edges }, { ...data.options, autoResize: false });
  const s = { view: data, selected: null, hovered: null, cursor: null, edge: null, pins: [], path: null, route: [], picking: null,
    movable: tell !== null, boxes: id => network.body.nodes[id].shape,
    size: node => Math.max(3, node.size * Math.min(1, s.unit.x / 60, s.unit.y / 24)) };
  const graph = { s, network, say, home, zoom: by => { network.moveTo({ scale: network.getScale() * by }); remember(); } };
  const has = id => s.view.nodes.some(node => node.id === id), titleOf = item => item.title.replaceAll("\n", "; ");
  const marks = ({ selected, pins, path }) => ({ node: selected, pins, path });

  function inform() {  // all marks at once: of choices made in quick succession only the last is sure to arrive
    Object.assign(sent, { by: me, marks: JSON.stringify(marks(s)), at: Date.now() });
    tell?.("marks", marks(s));
  }

  const act = graph.act = {
    hover(id, byKey = false) {
      if (id === s.hovered) return;
      s.hovered = id;
      s.cursor = byKey ? id : null;
      if (byKey) say(titleOf(s.view.nodes.find(node => node.id === id)));
      window.dispatchEvent(new CustomEvent(HOVER, { detail: { from: me, id } }));
      highlight();
    },
    click(id) { s.picking ? act.setPath([s.picking, id]) : act.choose(id === s.selected ? null : id); },
    choose(id) {
      const before = s.selected;
      Object.assign(s, { selected: id, edge: null, cursor: null });
      refresh();
      if (before !== id) inform();
    },
    chooseEdge(id) { Object.assign(s, { edge: id === s.edge ? null : id }); refresh(); },
    show(id) {  // a search hit
      if (has(id)) s.picking ? act.setPath([s.picking, id]) : act.choose(id);
      else { s.edge = id; refresh(); }
      const spot = network.canvasToDOM(network.getPosition(has(id) ? id : s.view.edges.find(edge => edge.id === id).to));
      if (spot.x < 0 || spot.y < 0 || spot.x > area.clientWidth || spot.y > area.clientHeight) {
        network.moveTo({ position: network.DOMtoCanvas(spot) });
        remember();
      }
    },
    pin(id) {
      s.pins = s.pins.includes(id) ? s.pins.filter(other => other !== id) : [...s.pins, id];
      refresh();
      inform();
    },
    pick(id) { s.picking = id; refresh(); if (id) area.focus(); },
    setPath(ends) {
      s.picking = null;
      s.path = ends;
      s.route = route();
      refresh();
      inform();
    },
    clear() {
      const before = JSON.stringify(marks(s));
      Object.assign(s, { hovered: null, cursor: null, picking: null, edge: null, selected: null, path: null, route: [] });
      refresh();
      if (JSON.stringify(marks(s)) !== before) inform();
    },
  };

  function route() {
    return (s.path && s.path.every(has) && strongestPath(s.view, ...s.path)) || [];
  }

  function say(words) {
    said.classList.toggle("idle", !words);
    said.textContent = words || HINT;
  }

  function status() {
    const chosen = s.view.nodes.find(node => node.id === s.selected) ?? s.view.edges.find(edge => edge.id === s.edge);
    if (s.picking) return `Path from ${s.picking}: click its other end, or move there and press Enter. Escape cancels.`;
    if (s.edge) return titleOf(s.view.edges.find(edge => edge.id === s.edge));
    if (s.route.length) return pathWords(s.view, s.route);
    if (s.path) return `No path between ${s.path[0]} and ${s.path[1]} in what is drawn.`;
    return chosen ? `Selected: ${titleOf(chosen)}` : "";
  }

  function refresh() {
    if (!s.view.edges.some(edge => edge.id === s.edge)) s.edge = null;
    say(status());
    tools.refresh();
    highlight();
  }

  function lit() {  // what stays bright; null: everything
    const ends = new Set(s.view.edges.filter(edge => s.route.includes(edge.id)).flatMap(edge => [edge.from, edge.to]));
    const focus = s.hovered ?? s.picking ?? (ends.has(s.selected) ? null : s.selected);
    const centres = new Set(focus === null ? s.pins : [...s.pins, focus]), bright = { nodes: new Set(centres), edges: new Set() };
    if (!centres.size && !s.route.length && !s.edge) return null;
    for (const { id, from, to } of s.view.edges) {
      if (!centres.has(from) && !centres.has(to) && !s.route.includes(id) && id !== s.edge) continue;
      bright.edges.add(id);
      bright.nodes.add(from).add(to);
    }
    return bright;
  }

  function highlight() {  // straight into vis-network's objects: an update of 2,000 rows of a DataSet takes far longer than a redraw
    const bright = s.bright = lit(), { nodes: dots, edges: lines } = network.body;
    for (const edge of s.view.edges) {
      const { options } = lines[edge.id], onPath = s.route.includes(edge.id);
      options.hidden = bright !== null && !bright.edges.has(edge.id);  // it is in the picture of dimmed edges
      options.color.opacity = onPath ? 1 : options.hidden ? DIMMED : Math.min(0.9, 0.4 + 0.1 * edge.width);
      options.width = onPath ? Math.max(3.5, edge.width) : edge.width;
    }
    for (const node of s.view.nodes) {
      const { options } = dots[node.id];
      options.opacity = !bright || bright.nodes.has(node.id) ? 1 : 0.2;
      if (node.shape !== "box") options.color.background = node.id === s.selected ? s.c.text : s.c.panel;
    }
    network.redraw();
  }

  function fill() {
    const keep = new Set(s.view.nodes.map(node => node.id)), box = node => node.shape === "box";
    Object.assign(network.renderer.options, { hideEdgesOnDrag: isMany(s.view), hideEdgesOnZoom: isMany(s.view) });
    edges.clear();  // keeps the order: the strongest is drawn last, on top
    nodes.remove(nodes.getIds().filter(id => !keep.has(id)));
    nodes.update(s.view.nodes.map(node => ({
      ...node, x: s.unit.atX(node.x), y: s.unit.atY(node.y), size: s.size(node), label: box(node) ? node.id : "",
      font: { size: 12, color: s.c.text, face: s.family }, color: { background: s.c.panel, border: s.c.text },
    })));
    edges.add(s.view.edges.map(edge => ({
      id: edge.id, from: edge.from, to: edge.to, title: edge.title, width: edge.width, smooth: edge.smooth,
      color: { color: s.c[s.view.groups[edge.group].colour] }, dashes: s.view.groups[edge.group].dashed && [7, 5],
      arrows: { to: { enabled: true, scaleFactor: 0.5, type: edge.score < 0 ? "bar" : "arrow" } },
    })));
  }

  function remember() {
    const { x, y } = network.getViewPosition();
    cameras[data.key] = { name: s.view.name, scale: network.getScale(), x: x / s.unit.x, y: y / s.unit.y };
  }

  function look() {  // where the reader looked last at this circuit, else at all of it
    const kept = cameras[data.key], back = kept && kept.name === s.view.name;
    const position = back ? { x: kept.x * s.unit.x, y: kept.y * s.unit.y } : { x: 0, y: 0 };
    network.moveTo({ position, scale: back ? kept.scale : 1 });
  }

  function home() {
    delete cameras[data.key];
    look();
  }

  function draw() {
    if (!area.clientWidth || !area.clientHeight) return;
    const now = JSON.stringify([s.view.nodes, s.view.edges, s.view.groups, s.view.axes, s.c, area.clientWidth, area.clientHeight]);
    if (now !== s.drawn) {
      s.drawn = now;
      network.setSize(`${area.clientWidth}px`, `${area.clientHeight}px`);
      s.unit = geometry(area, s.view.axes);
      fill();
      look();
    }
    refresh();
  }

  function update(next) {
    // What was marked a moment ago may still be on its way to Python: this can be the answer to the mark before.
    const older = sent.by === me && JSON.stringify(marks(next)) !== sent.marks && Date.now() - sent.at < 5000;
    if (!older && sent.by === me) sent.by = null;
    Object.assign(s, { view: next, boundary: next.axes.boundary });
    if (!older) Object.assign(s, { selected: next.selected, pins: next.pins, path: next.path });
    if (!has(s.selected)) s.selected = null;
    s.pins = s.pins.filter(has);
    if (!has(s.hovered)) s.hovered = s.cursor = null;
    if (!has(s.picking)) s.picking = null;
    s.route = route();
    s.c = next.palettes[isDark(area) ? "dark" : "light"];
    s.family = getComputedStyle(area).fontFamily;
    for (const [name, value] of Object.entries({ ...s.c, height: next.height })) box.style.setProperty(`--${name}`, value);
    const tip = area.querySelector(".vis-tooltip");
    if (tip) tip.style.visibility = "hidden";  // what it describes may be gone
    tools.legend();
    draw();
  }

  const nodeAt = graph.nodeAt = event => {  // within a finger's breadth, as small nodes are hard to hit
    const at = network.DOMtoCanvas({ x: event.offsetX, y: event.offsetY }), scale = network.getScale();
    const near = s.view.nodes.map(node => [Math.hypot(s.unit.atX(node.x) - at.x, s.unit.atY(node.y) - at.y) * scale, node]);
    const [[distance, node]] = near.sort((a, b) => a[0] - b[0]);
    return distance < Math.max(11, (node.shape === "box" ? 17 : s.size(node) + 4) * scale) ? node.id : null;
  };
  area.addEventListener("pointermove", event => {
    const id = event.buttons ? s.hovered : nodeAt(event);
    area.style.cursor = id ? "pointer" : "";
    act.hover(id);
  });
  area.addEventListener("pointerleave", () => act.hover(null));
  network.on("click", ({ pointer, event }) => {
    const id = nodeAt({ offsetX: pointer.DOM.x, offsetY: pointer.DOM.y }), edge = network.getEdgeAt(pointer.DOM);
    if (id) event.srcEvent.shiftKey ? act.pin(id) : act.click(id);
    else if (edge) act.chooseEdge(edge);
    else act.choose(null);
  });
  network.on("beforeDrawing", context => {
    if (!s.unit) return;
    paintBackground(context, s);
    if (s.bright) paintDimmed(context, network, s);
  });
  network.on("afterDrawing", context => {
    if (!s.unit) return;
    paintMarks(context, s);
    paintNames(context, s, network.getScale());
  });
  network.on("zoom", remember);
  network.on("dragEnd", remember);
  // The wheel scrolls the page; with Ctrl, or on the full screen, it zooms the graph.
  area.addEventListener("wheel", event => { if (!event.ctrlKey && !isFull(box)) event.stopPropagation(); }, { capture: true });
  const follow = ({ detail }) => {  // the same node in the other graphs of the page
    if (detail.from === me) return;
    s.hovered = has(detail.id) ? detail.id : null;
    highlight();
  };
  window.addEventListener(HOVER, follow);

  const tools = wireTools(root, graph);
  if (tell) dragBoundary(area, graph, layer => tell("boundary", layer));
  update(data);
  const observer = new ResizeObserver(draw);
  observer.observe(area);
  area.circuit = { network, state: s, at: id => network.canvasToDOM(network.getPosition(id)) };  // for tests
  const destroy = () => { observer.disconnect(); tools.destroy(); window.removeEventListener(HOVER, follow); network.destroy(); };
  return { update, destroy };
}

function isDark(element) {  // Streamlit hands its theme to components as a CSS variable, as does the page that stands alone
  const colour = getComputedStyle(element).getPropertyValue("--st-background-color").match(/#(..)(..)(..)/);
  return colour !== null && colour.slice(1).reduce((sum, part) => sum + parseInt(part, 16), 0) < 3 * 128;
}

function mountCircuit({ data, parentElement, setTriggerValue }) {  // called again for every rerun; the drawing stays
  parentElement.tell = setTriggerValue;  // a trigger: the same choice twice is two choices
  if (parentElement.drawing) parentElement.drawing.update(data);
  else parentElement.drawing = drawCircuit(parentElement, data, (what, value) => parentElement.tell(what, value));
  return () => { parentElement.drawing?.destroy(); parentElement.drawing = null; };
}
