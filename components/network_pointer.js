// Mouse, pen and finger on the drawing: hover, click, zoom, and the boundary, which can be dragged.

function nodeAt({ s, network }, x, y) {  // within a finger's breadth, as small nodes are hard to hit
  const at = network.DOMtoCanvas({ x, y }), scale = network.getScale();
  const near = s.view.nodes.map(node => [Math.hypot(s.unit.atX(node.x) - at.x, s.unit.atY(node.y) - at.y) * scale, node]);
  const [distance, node] = near.reduce((a, b) => (b[0] < a[0] ? b : a));
  return distance < Math.max(11, (node.shape === "box" ? 17 : s.size(node) + 4) * scale) ? node.id : null;
}

function wirePointer(graph) {
  const { s, act, area, box, network } = graph;
  area.addEventListener("pointermove", event => {
    const id = event.buttons ? s.hovered : nodeAt(graph, event.offsetX, event.offsetY);
    area.style.cursor = id ? "pointer" : "";
    act.hover(id);
  });
  area.addEventListener("pointerleave", () => act.hover(null));
  network.on("click", ({ pointer, event }) => {
    const id = nodeAt(graph, pointer.DOM.x, pointer.DOM.y), edge = network.getEdgeAt(pointer.DOM);
    if (id) event.srcEvent.shiftKey ? act.pin(id) : act.click(id);
    else if (edge) act.chooseEdge(edge);
    else act.choose(null);
  });
  for (const name of ["zoom", "dragEnd"]) network.on(name, () => remember(graph));
  // The wheel scrolls the page; with Ctrl, or on the full screen, it zooms the graph.
  area.addEventListener("wheel", event => { if (!event.ctrlKey && !isFull(box)) event.stopPropagation(); }, { capture: true });
}

function dragBoundary(graph) {
  const { s, area, act, network } = graph, at = event => network.DOMtoCanvas({ x: event.offsetX, y: event.offsetY }).x;
  const isNear = event => s.boundary !== null && !nodeAt(graph, event.offsetX, event.offsetY)
    && Math.abs(at(event) - s.unit.atX(s.boundary - 0.5)) * network.getScale() < 7;
  let start = null;
  area.addEventListener("pointerdown", event => {
    if (!isNear(event)) return;
    start = s.boundary;
    area.setPointerCapture(event.pointerId);
    event.stopPropagation();  // else the whole view would move
  }, { capture: true });
  area.addEventListener("pointermove", event => {
    if (start !== null || isNear(event)) area.style.cursor = "col-resize";
    if (start !== null) act.moveBoundary(Math.round((at(event) - s.unit.atX(0)) / s.unit.x + 0.5));
  });
  area.addEventListener("pointerup", () => {
    if (start !== null && start !== s.boundary) graph.tell("boundary", s.boundary);
    start = null;
  });
  area.addEventListener("pointercancel", () => { start = null; });
}
