// The controls around the drawing: toolbar, keys, search, chips, legend, the line that says what is going on.

const HINT = "Click a node or an edge to select it; ? lists the keys.";

function wireTools(root, graph) {
  const { s, act } = graph, box = root.querySelector(".circuit"), area = root.querySelector(".canvas");
  const find = root.querySelector(".find"), list = root.querySelector("datalist"), help = root.querySelector(".help");
  const button = name => root.querySelector(`[data-do=${name}]`);
  const here = () => s.hovered ?? s.selected;

  const deeds = {
    pin: () => here() && act.pin(here()),
    path: () => (s.picking ? act.pick(null) : here() && act.pick(here())),
    in: () => graph.zoom(1.25), out: () => graph.zoom(0.8), home: () => graph.home(),
    full: () => (isFull(box) ? document.exitFullscreen() : box.requestFullscreen()),
    png: () => savePng(area, graph.network, s), svg: () => saveSvg(area, graph.network, s),
    help: () => { help.hidden = !help.hidden; button("help").setAttribute("aria-expanded", String(!help.hidden)); },
    find: () => { find.focus(); find.select(); },
    enter: () => s.hovered && act.click(s.hovered),
    clear: () => (help.hidden ? act.clear() : deeds.help()),
  };
  const keys = { p: "pin", t: "path", "+": "in", "=": "in", "-": "out", 0: "home", f: "full", "/": "find", "?": "help", Enter: "enter",
    Escape: "clear" };
  for (const element of root.querySelectorAll("[data-do]")) element.addEventListener("click", () => deeds[element.dataset.do]());

  area.addEventListener("keydown", event => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key.startsWith("Arrow")) act.hover(nextNode(s.view, here(), event.key), true);
    else if (keys[event.key]) deeds[keys[event.key]]();
    else return;
    event.preventDefault();
    event.stopPropagation();  // the page has keys of its own
  });
  area.addEventListener("blur", () => act.hover(null));

  const jump = () => {
    const [first] = found(s.view, find.value);
    if (first) act.show(first);
    else if (find.value.trim()) graph.say(`No match for "${find.value.trim()}" in this graph.`);
  };
  find.addEventListener("input", event => {
    const option = value => Object.assign(document.createElement("option"), { value });
    list.replaceChildren(...found(s.view, find.value).slice(0, 12).map(option));
    if (!(event instanceof InputEvent) || event.inputType === "insertReplacementText") jump();  // picked from the list
  });
  find.addEventListener("keydown", event => {
    event.stopPropagation();
    if (event.key === "Enter") jump();
    if (event.key === "Escape") { find.value = ""; area.focus(); }
  });
  const onFull = () => button("full").setAttribute("aria-pressed", String(isFull(box)));
  document.addEventListener("fullscreenchange", onFull);

  return {
    refresh() {  // buttons and chips after every change
      for (const name of ["pin", "path"]) button(name).disabled = !s.selected && !s.picking;
      button("pin").setAttribute("aria-pressed", String(s.pins.includes(s.selected)));
      button("path").setAttribute("aria-pressed", String(Boolean(s.picking)));
      const chips = s.pins.map(id => chip(id, `Remove the pin of ${id}`, () => act.pin(id)));
      if (s.path) chips.push(chip(`${s.path[0]} to ${s.path[1]}`, "Remove the path", () => act.setPath(null)));
      root.querySelector(".chips").replaceChildren(...chips);
    },
    legend: () => root.querySelector(".legend").replaceChildren(...legendEntries(s.view).map(entry => legendSpan(s, entry))),
    destroy: () => document.removeEventListener("fullscreenchange", onFull),
  };
}

function isFull(box) {
  return box.getRootNode().fullscreenElement === box;
}

function chip(words, label, remove) {
  const element = Object.assign(document.createElement("button"), { type: "button", textContent: words });
  element.setAttribute("aria-label", label);
  element.addEventListener("click", remove);
  return element;
}

function legendSpan(s, [mark, words, colour, dashed]) {
  const span = document.createElement("span");
  if (mark) {
    const picture = document.createElementNS(SVG, "svg");
    const left = ["dot", "square"].includes(mark) ? 16 : 0;
    const size = [["width", 30 - left], ["height", 12], ["viewBox", `${left} 0 ${30 - left} 12`]];
    [...size, ["aria-hidden", "true"]].forEach(pair => picture.setAttribute(...pair));
    paintMark(svgContext(picture), mark, 1, 6, s.c[colour], dashed);
    span.append(picture);
  }
  span.append(words);
  return span;
}

function dragBoundary(area, graph, onMove) {  // what is early or late is Python's to say: while dragging only the line moves
  const { s, network } = graph;
  const at = event => network.DOMtoCanvas({ x: event.offsetX, y: event.offsetY }).x;
  const near = event => s.boundary !== null && !graph.nodeAt(event) && Math.abs(at(event) - s.unit.atX(s.boundary - 0.5)) * network.getScale() < 7;
  let start = null;
  area.addEventListener("pointerdown", event => {
    if (!near(event)) return;
    start = s.boundary;
    area.setPointerCapture(event.pointerId);
    event.stopPropagation();  // else the whole view would move
  }, { capture: true });
  area.addEventListener("pointermove", event => {
    if (start !== null || near(event)) area.style.cursor = "col-resize";
    if (start === null) return;
    const boundary = Math.round((at(event) - s.unit.atX(0)) / s.unit.x + 0.5);
    s.boundary = Math.max(1, Math.min(s.view.axes.n_layers - 1, boundary));
    network.redraw();
  });
  area.addEventListener("pointerup", () => {
    if (start !== null && start !== s.boundary) onMove(s.boundary);
    start = null;
  });
  area.addEventListener("pointercancel", () => { start = null; });
}
