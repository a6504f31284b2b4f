// What a reader marks in a graph: hovered, selected and pinned nodes, an edge, a path; in words, and what of it stays bright.

const HOVER = "lethe-circuit-hover", HINT = "Click a node or an edge to select it; ? lists the keys.";
const sent = (window.letheSent ??= { by: null, marks: "", at: 0 });  // what the reader marked last, in whichever graph

const has = view => id => view.nodes.some(node => node.id === id);
const marks = ({ selected, pins, path }) => ({ node: selected, pins, path });
const titleOf = item => item.title.replaceAll("\n", "; ");
const edgeOf = (view, id) => view.edges.find(edge => edge.id === id);

function actions(graph) {  // each changes the marks, shows them, and tells Python where it has to know
  const { s } = graph;
  const mark = change => {
    const before = JSON.stringify(marks(s));
    Object.assign(s, change);
    s.route = routeOf(s);
    refresh(graph);
    if (JSON.stringify(marks(s)) !== before) inform(graph);
  };
  const act = {
    hover(id, byKey = false) {
      if (id === s.hovered) return;
      Object.assign(s, { hovered: id, cursor: byKey ? id : null });
      if (byKey) say(graph, titleOf(s.view.nodes.find(node => node.id === id)));
      window.dispatchEvent(new CustomEvent(HOVER, { detail: { from: graph, id } }));
      highlight(graph);
    },
    peek(id) { s.peeked = id; highlight(graph); },  // an edge alone, while the list beside the graph points at it
    click(id) { s.picking ? act.setPath([s.picking, id]) : act.choose(id === s.selected ? null : id); },
    choose(id) { mark({ selected: id, edge: null, cursor: null }); },
    chooseEdge(id) { mark({ edge: id === s.edge ? null : id }); },
    show(id) {  // a search hit
      const node = has(s.view)(id) ? id : edgeOf(s.view, id).to;
      if (node !== id) mark({ edge: id });
      else if (s.picking) act.setPath([s.picking, id]);
      else act.choose(id);
      bringIntoSight(graph, node);
    },
    pin(id) { mark({ pins: s.pins.includes(id) ? s.pins.filter(other => other !== id) : [...s.pins, id] }); },
    pick(id) { mark({ picking: id }); if (id) graph.area.focus(); },
    setPath(ends) { mark({ picking: null, edge: null, path: ends }); },
    clear() { mark({ hovered: null, cursor: null, picking: null, edge: null, selected: null, path: null }); },
    moveBoundary(layer) {  // what is early or late is Python's to say: till it does only the line moves
      s.boundary = Math.max(1, Math.min(s.view.axes.n_layers - 1, layer));
      graph.network.redraw();
    },
  };
  return act;
}

function inform(graph) {  // all marks at once: of choices made in quick succession only the last is sure to arrive
  Object.assign(sent, { by: graph, marks: JSON.stringify(marks(graph.s)), at: Date.now() });
  graph.tell?.("marks", marks(graph.s));
}

function isOlder(graph, view) {  // is it Python's answer to a mark before the last one, which is still on its way?
  const older = sent.by === graph && JSON.stringify(marks(view)) !== sent.marks && Date.now() - sent.at < 5000;
  if (!older && sent.by === graph) sent.by = null;
  return older;
}

function linkHover(graph) {  // the same node in the other graphs of the page
  const follow = ({ detail }) => {
    if (detail.from === graph) return;
    graph.s.hovered = has(graph.s.view)(detail.id) ? detail.id : null;
    highlight(graph);
  };
  window.addEventListener(HOVER, follow);
  return { destroy: () => window.removeEventListener(HOVER, follow) };
}

function routeOf({ view, path }) {
  return (path && path.every(has(view)) && strongestPath(view, ...path)) || [];
}

function refresh(graph) {
  const { s } = graph;
  if (!edgeOf(s.view, s.edge)) s.edge = null;
  say(graph, status(s));
  for (const panel of graph.panels) panel.refresh();
  highlight(graph);
}

function say({ root }, words) {
  const said = root.querySelector(".said");
  said.classList.toggle("idle", !words);
  said.textContent = words || HINT;
}

function status(s) {
  const node = s.view.nodes.find(({ id }) => id === s.selected);
  if (s.picking) return `Path from ${s.picking}: click its other end, or move there and press Enter. Escape cancels.`;
  if (s.edge) return titleOf(edgeOf(s.view, s.edge));
  if (s.route.length) return pathWords(s.view, s.route);
  if (s.path) return `No path between ${s.path[0]} and ${s.path[1]} in what is drawn.`;
  return node ? `Selected: ${titleOf(node)}` : "";
}

function lit(s) {  // what stays bright; null: everything
  const among = new Set(s.route), ends = new Set(s.view.edges.filter(edge => among.has(edge.id)).flatMap(edge => [edge.from, edge.to]));
  const focus = s.hovered ?? s.picking ?? (ends.has(s.selected) ? null : s.selected);
  const centres = new Set(focus === null ? s.pins : [...s.pins, focus]);
  if (!s.peeked && !s.edge && !centres.size && !s.route.length) return null;
  const isMarked = ({ id, from, to }) => centres.has(from) || centres.has(to) || among.has(id) || id === s.edge;
  const isLit = s.peeked ? edge => edge.id === s.peeked : isMarked;
  const edges = s.view.edges.filter(isLit);
  return { edges: new Set(edges.map(edge => edge.id)), nodes: new Set([...centres, ...edges.flatMap(edge => [edge.from, edge.to])]) };
}
