// From a view to vis-network's own objects, and where the reader looks.

const cameras = (window.letheCameras ??= {});  // survives a drawing that is put up anew

function fill({ s, nodes, edges, network }) {
  const keep = new Set(s.view.nodes.map(node => node.id)), many = isMany(s.view);
  Object.assign(network.renderer.options, { hideEdgesOnDrag: many, hideEdgesOnZoom: many });
  edges.clear();  // keeps the order: the strongest is drawn last, on top
  nodes.remove(nodes.getIds().filter(id => !keep.has(id)));
  nodes.update(s.view.nodes.map(node => ({
    ...node, x: s.unit.atX(node.x), y: s.unit.atY(node.y), size: s.size(node), label: node.shape === "box" ? node.id : "",
    font: { size: 12, color: s.c.text, face: s.family }, color: { background: s.c.panel, border: s.c.text },
  })));
  edges.add(s.view.edges.map(edge => ({
    id: edge.id, from: edge.from, to: edge.to, title: edge.title, width: edge.width, smooth: edge.smooth,
    color: { color: s.c[s.view.groups[edge.group].colour] }, dashes: s.view.groups[edge.group].dashed && [7, 5],
    arrows: { to: { enabled: true, scaleFactor: 0.5, type: edge.score < 0 ? "bar" : "arrow" } },
  })));
}

function highlight({ s, network }) {  // straight into vis-network's objects: an update of 2,000 rows of a DataSet takes far longer
  const bright = s.bright = lit(s), { nodes: dots, edges: lines } = network.body, onPath = new Set(s.route);
  for (const edge of s.view.edges) {
    const { options } = lines[edge.id], isOnPath = onPath.has(edge.id);
    options.hidden = bright !== null && !bright.edges.has(edge.id);  // it is in the picture of dimmed edges
    options.color.opacity = isOnPath ? 1 : options.hidden ? DIMMED : Math.min(0.9, 0.4 + 0.1 * edge.width);
    options.width = isOnPath ? Math.max(3.5, edge.width) : edge.width;
  }
  for (const node of s.view.nodes) {
    const { options } = dots[node.id];
    options.opacity = !bright || bright.nodes.has(node.id) ? 1 : 0.2;
    if (node.shape !== "box") options.color.background = node.id === s.selected ? s.c.text : s.c.panel;
  }
  network.redraw();
}

function remember({ s, network, key }) {
  const { x, y } = network.getViewPosition();
  cameras[key] = { name: s.view.name, scale: network.getScale(), x: x / s.unit.x, y: y / s.unit.y };
}

function look({ s, network, key }) {  // where the reader looked last at this circuit, else at all of it
  const kept = cameras[key], back = kept && kept.name === s.view.name;
  const position = back ? { x: kept.x * s.unit.x, y: kept.y * s.unit.y } : { x: 0, y: 0 };
  network.moveTo({ position, scale: back ? kept.scale : 1 });
}

function home(graph) {
  delete cameras[graph.key];
  look(graph);
}

function zoom(graph, by) {
  graph.network.moveTo({ scale: graph.network.getScale() * by });
  remember(graph);
}

function bringIntoSight(graph, node) {
  const { network, area } = graph, spot = network.canvasToDOM(network.getPosition(node));
  if (spot.x >= 0 && spot.y >= 0 && spot.x <= area.clientWidth && spot.y <= area.clientHeight) return;
  network.moveTo({ position: network.DOMtoCanvas(spot) });
  remember(graph);
}
