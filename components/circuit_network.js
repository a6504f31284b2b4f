// Draws what components/network_view.py calls a view, and keeps what its reader does to it. Positions arrive in layers and lanes and
// become pixels here, so that the graph fills whatever width it gets. Data reaches the page as canvas text or textContent only.
//
// A `graph` is one such drawing: `network` (vis-network), its elements, `s` (what is drawn and marked), `act` (what a reader can do).

function drawCircuit(root, data, tell) {  // `tell(what, value)` hands a choice to Python; null where there is none
  const box = root.querySelector(".circuit"), area = root.querySelector(".canvas");
  const nodes = new vis.DataSet(), edges = new vis.DataSet();
  const network = new vis.Network(area, { nodes, edges }, { ...data.options, autoResize: false });
  const graph = { root, box, area, nodes, edges, network, tell, key: data.key, s: emptyState(data, network, tell !== null) };
  graph.act = actions(graph);
  graph.panels = [wireTools(graph), wireSide(graph)];
  const link = linkHover(graph);
  wirePointer(graph);
  if (tell) dragBoundary(graph);
  wirePainting(graph);
  updateGraph(graph, data);
  const observer = new ResizeObserver(() => drawGraph(graph));
  observer.observe(area);
  area.circuit = { network, state: graph.s, at: id => network.canvasToDOM(network.getPosition(id)) };  // for tests
  const destroy = () => { observer.disconnect(); [...graph.panels, link].forEach(part => part.destroy()); network.destroy(); };
  return { update: next => updateGraph(graph, next), destroy };
}

function emptyState(view, network, movable) {
  const s = { view, movable, selected: null, hovered: null, cursor: null, edge: null, peeked: null, pins: [], path: null, route: [],
    picking: null };
  s.size = node => Math.max(3, node.size * Math.min(1, s.unit.x / 60, s.unit.y / 24));
  s.half = node => {  // half the width and the height of its shape
    const { width, height } = node.shape === "box" ? network.body.nodes[node.id].shape : {};
    return node.shape === "box" ? [width / 2, height / 2] : [s.size(node), s.size(node)];
  };
  return s;
}

function updateGraph(graph, next) {
  const { s, area, box, tell } = graph, known = has(next);
  const isMine = isOlder(graph, next) || (!tell && s.drawn);  // the reader's marks stay
  Object.assign(s, { view: next, boundary: next.axes.boundary, peeked: null });
  if (!isMine) Object.assign(s, { selected: next.selected, pins: next.pins, path: next.path });
  for (const name of ["selected", "hovered", "cursor", "picking"]) if (!known(s[name])) s[name] = null;
  s.pins = s.pins.filter(known);
  s.route = routeOf(s);
  s.c = next.palettes[isDark(area) ? "dark" : "light"];
  s.family = getComputedStyle(area).fontFamily;
  for (const [name, value] of Object.entries({ ...s.c, height: next.height })) box.style.setProperty(`--${name}`, value);
  box.classList.toggle("listed", Boolean(next.listed));
  box.dataset.legend = next.one_legend ?? "";
  const tip = area.querySelector(".vis-tooltip");
  if (tip) tip.style.visibility = "hidden";  // what it describes may be gone
  drawGraph(graph);
}

function drawGraph(graph) {
  const { s, area, network } = graph, [width, height] = [area.clientWidth, area.clientHeight];
  if (!width || !height) return;
  const now = JSON.stringify([s.view.nodes, s.view.edges, s.view.groups, s.view.axes, s.c, width, height]);
  if (now !== s.drawn) {
    s.drawn = now;
    network.setSize(`${width}px`, `${height}px`);
    s.unit = geometry(area, s.view.axes);
    fill(graph);
    look(graph);
  }
  refresh(graph);
}

function wirePainting({ network, s }) {
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
